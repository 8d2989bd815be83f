"""Reconciling: Cloud Run's traffic and MLflow's aliases are compared with the release record, and made to follow it."""

from dataclasses import dataclass

from cyclone.clock import read_now
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


@dataclass(frozen=True)
class Drift:
    """One difference from the release record: where it is, what was found, and what is wanted."""

    where: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}, wanted: {self.wanted}"


def reconcile(settings: Settings, spec: ModelSpec, should_mend: bool = True) -> list[Drift]:
    """Compare Cloud Run and MLflow with the release record, and make them follow it. The differences are returned.

    It can be repeated, and then finds nothing. With `should_mend` False nothing is changed.
    A candidate is rolled back if its retraining has ended or a newer release overtook it, because nobody leads it.
    A retraining under way is not disturbed. Its canary keeps the share of the traffic that the store gives it.
    Errors: `ReleaseError` when Cloud Run refuses, or has no service although there is a champion.
    """
    with hold_releases(Store(settings.store_dsn), spec.name) as held:
        champion = current_release(held, spec.name)
        if champion is None:
            return []
        led, abandoned = releases_under_way(held, spec.name)
        drifts = _mend_releases(settings, spec, held, abandoned, should_mend)
        drifts += _mend_traffic(settings, spec, held, champion, led, should_mend)
    return drifts + _mend_aliases(settings, spec, champion, led, should_mend)


def _mend_releases(
    settings: Settings, spec: ModelSpec, held: LockedReleases, abandoned: list[Release], should_mend: bool
) -> list[Drift]:
    for release in abandoned if should_mend else []:
        reason = "nobody leads it any more: its retraining has ended, or a newer release serves"
        mark_rolled_back(held, release, read_now(held, settings, spec.name), reason)
    return [Drift(f"release {item.release_id} ({item.revision})", item.state, "rolled_back") for item in abandoned]


def _mend_traffic(
    settings: Settings,
    spec: ModelSpec,
    held: LockedReleases,
    champion: Release,
    led: list[Release],
    should_mend: bool,
) -> list[Drift]:
    cloud = CloudRun(settings, held)
    running = cloud.read_settled_service(spec.service_name)
    if running is None:
        raise ReleaseError(
            f"{spec.name}: Cloud Run has no service {spec.service_name}, but release {champion.release_id}"
            f" ({champion.revision}) is recorded as the champion. Deploy a new version with `cyclone retrain"
            f" {spec.name}`"
        )
    percents = split_traffic(champion, led)
    last = retired_releases(held, champion)[:1]
    wanted = {name_tag(item.version): item for item in [champion, *led, *last]}
    # The revision of a new calibration has its version's tag before it has the traffic.
    stray = {
        tag
        for tag, revision in running.tags.items()
        if tag not in wanted
        or (revision != wanted[tag].revision and not is_calibration_of(revision, spec.name, wanted[tag].version))
    }
    drifts = []
    if running.percents != percents:
        drifts.append(Drift("traffic", _show(running.percents), _show(percents)))
    if stray:
        drifts.append(Drift("tags", ", ".join(sorted(running.tags)), ", ".join(sorted(set(running.tags) - stray))))
    if drifts and should_mend:
        cloud.set_traffic(spec.service_name, percents, frozenset(stray))
    return drifts


def _mend_aliases(
    settings: Settings, spec: ModelSpec, champion: Release, led: list[Release], should_mend: bool
) -> list[Drift]:
    versions = {alias: find_alias(settings, spec.name, alias) for alias in (CHAMPION, CHALLENGER)}
    drifts = []
    if versions[CHAMPION] != champion.version:
        drifts.append(Drift(f"alias {CHAMPION}", str(versions[CHAMPION]), str(champion.version)))
    challenger = versions[CHALLENGER]
    # A version that is registered and not yet deployed has no release. Its alias is right.
    over = {item.version for item in [champion, *ended_releases(Store(settings.store_dsn), spec.name)]}
    is_stray = challenger in over - {item.version for item in led}
    if is_stray:
        drifts.append(Drift(f"alias {CHALLENGER}", str(challenger), "none"))
    if drifts and should_mend:
        align_aliases(settings, spec)
        if is_stray and challenger is not None:
            drop_alias(settings, spec.name, CHALLENGER, challenger)
    return drifts


def _show(percents: dict[str, int]) -> str:
    return ", ".join(f"{revision} {percent} %" for revision, percent in sorted(percents.items())) or "nothing"
