"""Reconciling: Cloud Run's traffic and MLflow's aliases are compared with the release record, and made to follow it."""

from cyclone.clock import read_now
from cyclone.differences import TRAFFIC, Difference
from cyclone.errors import ReleaseError
from cyclone.names import is_calibration_of, name_tag
from cyclone.releases import (
    Release,
    current_release,
    ended_releases,
    mark_rolled_back,
    releases_under_way,
    retired_releases,
    split_traffic,
)
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.aliases import drop_alias, find_alias
from releasing.cloud_run import CloudRun
from releasing.lock import LockedReleases, hold_releases
from releasing.promotion import align_aliases
from training.tracking.client import CHALLENGER, CHAMPION


def reconcile(settings: Settings, spec: ModelSpec, should_mend: bool = True) -> list[Difference]:
    """Compare Cloud Run and MLflow with the release record, and make them follow it. The differences are returned.

    It can be repeated, and then finds nothing. With `should_mend` False nothing is changed.
    A candidate is rolled back if its retraining has ended or a newer release overtook it, because nobody leads it.
    A retraining under way is not disturbed. Its canary keeps the share of the traffic that the store gives it.
    Errors: `ReleaseError` when Cloud Run refuses, or has no service although there is a champion.
    """
    return reconcile_traffic(settings, spec, should_mend) + reconcile_aliases(settings, spec, should_mend)


def reconcile_traffic(settings: Settings, spec: ModelSpec, should_mend: bool) -> list[Difference]:
    """Compare releases, traffic and tags with the record, and mend them if asked.

    Without a champion nothing but a first candidate may have traffic. That is reported and not mended, because Cloud
    Run cannot give the traffic of a service to nobody.
    """
    with hold_releases(Store(settings.store_dsn), spec.name) as held:
        champion = current_release(held, spec.name)
        led, abandoned = releases_under_way(held, spec.name)
        if champion is None:
            return [] if should_mend else _compare_unreleased(settings, spec, led)
        found = _mend_releases(settings, spec, held, abandoned, should_mend)
        return found + _mend_traffic(settings, spec, held, champion, led, should_mend)


def _compare_unreleased(settings: Settings, spec: ModelSpec, led: list[Release]) -> list[Difference]:
    running = CloudRun(settings).read_settled_service(spec.service_name)
    percents = running.percents if running else {}
    if set(percents) <= {item.revision for item in led}:
        return []
    return [Difference(TRAFFIC, _show(percents), "nothing, as no release is recorded")]


def _mend_releases(
    settings: Settings, spec: ModelSpec, held: LockedReleases, abandoned: list[Release], should_mend: bool
) -> list[Difference]:
    for release in abandoned if should_mend else []:
        reason = "nobody leads it any more: its retraining has ended, or a newer release serves"
        mark_rolled_back(held, release, read_now(held, settings, spec.name), reason)
    return [Difference(f"release {item.release_id} ({item.revision})", item.state, "rolled_back") for item in abandoned]


def _mend_traffic(
    settings: Settings,
    spec: ModelSpec,
    held: LockedReleases,
    champion: Release,
    led: list[Release],
    should_mend: bool,
) -> list[Difference]:
    cloud = CloudRun(settings, held)
    running = cloud.read_settled_service(spec.service_name)
    percents = split_traffic(champion, led)
    if running is None and not should_mend:
        return [Difference(TRAFFIC, f"nothing, as Cloud Run has no service {spec.service_name}", _show(percents))]
    if running is None:
        raise ReleaseError(
            f"{spec.name}: Cloud Run has no service {spec.service_name}, but release {champion.release_id}"
            f" ({champion.revision}) is recorded as the champion. Deploy a new version with `cyclone retrain"
            f" {spec.name}`"
        )
    last = retired_releases(held, champion)[:1]
    wanted = {name_tag(item.version): item for item in [champion, *led, *last]}
    # The revision of a new calibration has its version's tag before it has the traffic.
    stray = {
        tag
        for tag, revision in running.tags.items()
        if tag not in wanted
        or (revision != wanted[tag].revision and not is_calibration_of(revision, spec.name, wanted[tag].version))
    }
    found = []
    if running.percents != percents:
        found.append(Difference(TRAFFIC, _show(running.percents), _show(percents)))
    if stray:
        found.append(Difference("tags", ", ".join(sorted(running.tags)), ", ".join(sorted(set(running.tags) - stray))))
    if found and should_mend:
        cloud.set_traffic(spec.service_name, percents, frozenset(stray))
    return found


def reconcile_aliases(settings: Settings, spec: ModelSpec, should_mend: bool) -> list[Difference]:
    """Compare MLflow's aliases with the record, and mend them if asked. No lock is held while MLflow is asked.

    Errors: `TrackingError` when MLflow does not answer.
    """
    store = Store(settings.store_dsn)
    champion, (led, _) = current_release(store, spec.name), releases_under_way(store, spec.name)
    serving = champion.version if champion else None
    named, challenger = (find_alias(settings, spec.name, alias) for alias in (CHAMPION, CHALLENGER))
    found = []
    if named != serving:
        found.append(Difference(f"alias {CHAMPION}", str(named or "none"), str(serving or "none")))
    # A version that is registered and not yet deployed has no release. Its alias is right.
    over = {serving, *(item.version for item in ended_releases(store, spec.name))}
    is_stray = challenger is not None and challenger in over - {item.version for item in led}
    if is_stray:
        found.append(Difference(f"alias {CHALLENGER}", str(challenger), "none"))
    if found and should_mend:
        align_aliases(settings, spec)
        if champion is None and named is not None:
            drop_alias(settings, spec.name, CHAMPION, named)
        if is_stray and challenger is not None:
            drop_alias(settings, spec.name, CHALLENGER, challenger)
    return found


def _show(percents: dict[str, int]) -> str:
    return ", ".join(f"{revision} {percent} %" for revision, percent in sorted(percents.items())) or "nothing"
