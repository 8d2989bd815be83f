"""Promotion and roll-back: traffic on Cloud Run, the aliases in MLflow and the release record move together."""

import logging
from collections.abc import Callable

from cyclone.clock import read_now
from cyclone.errors import ReleaseError, StaleReleaseError
from cyclone.names import name_tag
from cyclone.releases import (
    Release,
    check_promotable,
    current_release,
    mark_rolled_back,
    promote_release,
    read_release,
    release_of_run,
    releases_under_way,
    restore_release,
    retired_releases,
    split_traffic,
)
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.aliases import drop_alias, set_alias
from releasing.approval.questions import check_approved
from releasing.candidate import Candidate
from releasing.cleaning import clean_up
from releasing.cloud_run import CloudRun
from releasing.lock import LockedReleases, hold_releases
from training.tracking.client import CHALLENGER, CHAMPION

log = logging.getLogger(__name__)


def promote(settings: Settings, spec: ModelSpec, candidate: Candidate) -> None:
    """Give the candidate all traffic, the release record and the alias `champion`. The champion before it retires.

    Errors: `StaleReleaseError` when a newer release has the record. Then this release is rolled back.
    `ReleaseError` when the candidate's release is over or Cloud Run refuses. `LostLockError` when the lock was lost.
    """
    with hold_releases(Store(settings.store_dsn), spec.name) as held:
        release = read_release(held, candidate.release_id)
        try:
            check_promotable(held, release)
            if release.state != "champion":
                check_approved(held, spec, release)
            led, _ = releases_under_way(held, spec.name)
            newer = [item for item in led if item.release_id > release.release_id]
            CloudRun(settings, held).set_traffic(spec.service_name, split_traffic(release, newer))
            promote_release(held, release, read_now(held, settings, spec.name))
        except StaleReleaseError as error:
            _take_back(settings, spec, held, release, str(error))
            raise
    align_aliases(settings, spec)
    clean_up(settings, spec)


def roll_back(settings: Settings, spec: ModelSpec, run_id: str, reason: str) -> None:
    """Return all traffic to the recorded champion, and mark the release of the run as rolled back.

    If the release of the run is that champion, nothing is taken back. Then traffic and aliases are only made to follow
    the record. For a run without a release nothing is done.
    """
    store = Store(settings.store_dsn)
    with hold_releases(store, spec.name) as held:
        release = release_of_run(held, spec.name, run_id)
        if release is not None:
            _take_back(settings, spec, held, release, reason)
    if release is not None:
        align_aliases(settings, spec)
        champion = current_release(store, spec.name)
        if champion is None or champion.release_id != release.release_id:
            drop_alias(settings, spec.name, CHALLENGER, release.version)


def restore_champion(
    settings: Settings,
    spec: ModelSpec,
    reason: str,
    version: int | None = None,
    on_step: Callable[[str], None] = lambda what: None,
) -> Release:
    """Return to `version`, or to the champion before the present one. The release that then serves is returned.

    Traffic, record and alias move in this order. With the record moves what the checks compare with: the reference
    profile and the accepted error. All later releases are rolled back, including a canary under way.
    `on_step` is called with each thing that is done, in words.
    Errors: `ReleaseError` naming the versions that one can return to.
    """
    with hold_releases(Store(settings.store_dsn), spec.name) as held:
        champion = current_release(held, spec.name)
        if champion is None:
            raise ReleaseError(
                f"{spec.name}: nothing has been promoted yet, so there is nothing to return to. `cyclone retrain"
                f" {spec.name}` asks for a first version"
            )
        target = _find_target(settings, spec, held, champion, version)
        led, abandoned = releases_under_way(held, spec.name)
        ever = [*led, *abandoned, champion, *retired_releases(held, champion)]
        later = [item for item in ever if item.release_id > target.release_id]
        dropped = frozenset(name_tag(item.version) for item in later)
        _give_back(settings, spec, held, {target.revision: 100}, dropped)
        on_step(f"version {target.version} of {spec.name} has all traffic")
        restore_release(held, target, champion, read_now(held, settings, spec.name), reason)
    on_step("the release record names it, and the checks measure against what it was accepted with")
    align_aliases(settings, spec)
    for item in later:
        drop_alias(settings, spec.name, CHALLENGER, item.version)
    on_step(f"MLflow's alias {CHAMPION} names it")
    return target


def _find_target(settings: Settings, spec: ModelSpec, store: Store, champion: Release, version: int | None) -> Release:
    there = set(CloudRun(settings).list_revisions(spec.service_name))
    targets = [item for item in retired_releases(store, champion) if item.revision in there]
    wanted = [item for item in targets if version in (None, item.version)]
    if wanted:
        return wanted[0]
    known = ", ".join(str(item.version) for item in targets) or "none"
    what = "a champion before the present one" if version is None else f"version {version}"
    raise ReleaseError(
        f"{spec.name}: {what} is not there to return to. Version {champion.version} serves. The earlier versions that"
        f" still have a revision are: {known}. Choose one with `cyclone rollback {spec.name} --to VERSION`"
    )


def _take_back(settings: Settings, spec: ModelSpec, held: LockedReleases, release: Release, reason: str) -> None:
    """Let the traffic be as the record says without `release`, and then note that it is rolled back."""
    champion = current_release(held, spec.name)
    is_champion = champion is not None and champion.release_id == release.release_id
    if champion is not None:
        led, _ = releases_under_way(held, spec.name)
        others = [item for item in led if item.release_id != release.release_id]
        dropped = frozenset() if is_champion else frozenset({name_tag(release.version)})
        _give_back(settings, spec, held, split_traffic(champion, others), dropped)
    if not is_champion:
        mark_rolled_back(held, release, read_now(held, settings, spec.name), reason)


def _give_back(
    settings: Settings, spec: ModelSpec, held: LockedReleases, percents: dict[str, int], dropped: frozenset[str]
) -> None:
    cloud = CloudRun(settings, held)
    if cloud.read_service(spec.service_name) is not None:
        cloud.set_traffic(spec.service_name, percents, dropped)


def align_aliases(settings: Settings, spec: ModelSpec) -> None:
    """Let MLflow's alias `champion` name the recorded champion.

    This holds no lock on the releases, so an MLflow that is away stops nobody else.
    """
    champion = current_release(Store(settings.store_dsn), spec.name)
    if champion is None:
        return
    set_alias(settings, spec.name, CHAMPION, champion.version)
    drop_alias(settings, spec.name, CHALLENGER, champion.version)
