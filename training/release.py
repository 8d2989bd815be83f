"""Releasing a version: traffic on Cloud Run, the aliases in MLflow and the release record move together."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from cyclone.clock import read_now
from cyclone.cloud_run import CloudRun, RunningService
from cyclone.errors import ReleaseError, StaleReleaseError
from cyclone.releases import (
    Release,
    check_promotable,
    create_candidate,
    current_release,
    ended_releases,
    hold_releases,
    mark_rolled_back,
    note_share,
    promote_release,
    read_release,
    release_of_run,
    releases_under_way,
    restore_release,
    retired_releases,
)
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.telemetry import SERVING_SWITCHES
from training.aliases import drop_alias, set_alias
from training.image import Image, list_images, remove_image
from training.tracking import CHALLENGER, CHAMPION

log = logging.getLogger(__name__)
TOKEN_VARIABLE = "CYCLONE_REHEARSAL_TOKEN"  # noqa: S105 (the name of a variable)
"""What a request bears that the revision answers without logging it: drawn at each deployment."""


@dataclass(frozen=True)
class Candidate:
    """A revision that is ready: it answers at `tag_address`, whatever its share of the service's traffic."""

    revision: str
    tag_address: str
    service_address: str
    release_id: int


def deploy_candidate(settings: Settings, spec: ModelSpec, version: int, image: Image, run_id: str) -> Candidate:
    """Bring the version up at 0 % behind the tag `v<version>`, and wait until it is ready.

    Errors: `ReleaseError` when it does not get ready or was rolled back before, `StaleReleaseError` when a newer
    release serves; traffic is untouched.
    """
    store, service = Store(settings.store_dsn), spec.service_name
    release = create_candidate(
        store,
        spec.name,
        version,
        revision=f"{service}-v{version}",
        image=image.reference,
        image_digest=image.digest,
        run_id=run_id,
        created_at=read_now(store, settings, spec.name),
    )
    check_promotable(store, release)
    tag, env = name_tag(release), build_environment(settings)
    running = CloudRun(settings).deploy(service, release.revision, tag, image.reference, spec.serving, env)
    return _describe(release, running)


def build_environment(settings: Settings) -> dict[str, str]:
    """What every revision is told."""
    return {
        "CYCLONE_STORE_DSN": settings.store_dsn,
        **SERVING_SWITCHES,
        TOKEN_VARIABLE: secrets.token_urlsafe(),
    }


def candidate_of_run(settings: Settings, spec: ModelSpec, run_id: str) -> Candidate:
    """The candidate that a run deployed. Errors: `ReleaseError` when there is none, or its tag is gone."""
    release = release_of_run(Store(settings.store_dsn), run_id)
    running = CloudRun(settings).read_service(spec.service_name)
    if release is None or running is None or running.tags.get(name_tag(release)) != release.revision:
        raise ReleaseError(f"{spec.name}: run {run_id} has no candidate on Cloud Run; deploy one first")
    return _describe(release, running)


def shift_traffic(settings: Settings, spec: ModelSpec, candidate: Candidate, percent: int) -> None:
    """Give the candidate `percent` of the traffic, and the champion the rest.

    Errors: `ReleaseError` when the candidate is over, `StaleReleaseError` when a newer release serves.
    """
    store = Store(settings.store_dsn)
    with hold_releases(store, spec.name):
        release = read_release(store, candidate.release_id)
        check_promotable(store, release)
        champion = current_release(store, spec.name)
        if champion is None or champion.release_id == release.release_id:
            percents = {release.revision: 100}
        else:
            note_share(store, release, percent)
            percents = {release.revision: percent, champion.revision: 100 - percent}
        CloudRun(settings).set_traffic(spec.service_name, percents)


def promote(settings: Settings, spec: ModelSpec, candidate: Candidate) -> None:
    """Give the candidate all traffic, the record and the alias `champion`; the champion before it retires.

    Errors: `StaleReleaseError` when a newer release holds the record: this one is then rolled back.
    """
    store = Store(settings.store_dsn)
    with hold_releases(store, spec.name):
        release = read_release(store, candidate.release_id)
        try:
            check_promotable(store, release)
            CloudRun(settings).set_traffic(spec.service_name, {release.revision: 100})
            promote_release(store, release, read_now(store, settings, spec.name))
        except StaleReleaseError as error:
            _take_back(settings, spec, release, str(error))
            raise
    align_aliases(settings, spec)
    clean_up(settings, spec)


def roll_back(settings: Settings, spec: ModelSpec, run_id: str, reason: str) -> None:
    """Return all traffic to the recorded champion and mark the run's release as rolled back.

    A run whose release is that champion has nothing to take back: traffic and aliases are only made to fit the
    record. A run without a release is none to roll back.
    """
    store = Store(settings.store_dsn)
    with hold_releases(store, spec.name):
        release = release_of_run(store, run_id)
        if release is not None:
            _take_back(settings, spec, release, reason)
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
    """Return to `version`, or to the champion before the present one; what serves then is returned.

    Traffic, record and alias move, in this order, and with the record the reference profile and accepted error that
    the checks measure against. All releases after it are rolled back, a canary under way included. `on_step` is told
    what is done.
    Errors: `ReleaseError` naming the versions that one can return to.
    """
    store = Store(settings.store_dsn)
    with hold_releases(store, spec.name):
        champion = current_release(store, spec.name)
        if champion is None:
            raise ReleaseError(f"{spec.name}: nothing has been promoted yet, so there is nothing to return to")
        target = _find_target(settings, spec, champion, version)
        led, abandoned = releases_under_way(store, spec.name)
        ever = [*led, *abandoned, champion, *retired_releases(store, champion)]
        later = [item for item in ever if item.release_id > target.release_id]
        _return_traffic(settings, spec, target, frozenset(map(name_tag, later)))
        on_step(f"version {target.version} of {spec.name} has all traffic")
        restore_release(store, target, champion, read_now(store, settings, spec.name), reason)
    on_step("the release record names it, and the checks measure against what it was accepted with")
    align_aliases(settings, spec)
    for item in later:
        drop_alias(settings, spec.name, CHALLENGER, item.version)
    on_step(f"MLflow's alias {CHAMPION} names it")
    return target


def _find_target(settings: Settings, spec: ModelSpec, champion: Release, version: int | None) -> Release:
    there = set(CloudRun(settings).list_revisions(spec.service_name))
    targets = [item for item in retired_releases(Store(settings.store_dsn), champion) if item.revision in there]
    wanted = [item for item in targets if version in (None, item.version)]
    if wanted:
        return wanted[0]
    known = ", ".join(str(item.version) for item in targets) or "none"
    what = "a champion before the present one" if version is None else f"version {version}"
    raise ReleaseError(
        f"{spec.name}: {what} is not there to return to; version {champion.version} serves, and the versions with a"
        f" revision that served before it are: {known}"
    )


def _take_back(settings: Settings, spec: ModelSpec, release: Release, reason: str) -> None:
    store = Store(settings.store_dsn)
    champion = current_release(store, spec.name)
    is_champion = champion is not None and champion.release_id == release.release_id
    if champion is not None:
        dropped = frozenset() if is_champion else frozenset({name_tag(release)})
        _return_traffic(settings, spec, champion, dropped)
    if not is_champion:
        mark_rolled_back(store, release, read_now(store, settings, spec.name), reason)


def _return_traffic(settings: Settings, spec: ModelSpec, champion: Release, dropped: frozenset[str]) -> None:
    cloud = CloudRun(settings)
    if cloud.read_service(spec.service_name) is not None:
        cloud.set_traffic(spec.service_name, {champion.revision: 100}, dropped)


def align_aliases(settings: Settings, spec: ModelSpec) -> None:
    """Let MLflow's alias `champion` name the recorded one. Without the lock: an MLflow that is away holds nobody."""
    champion = current_release(Store(settings.store_dsn), spec.name)
    if champion is None:
        return
    set_alias(settings, spec.name, CHAMPION, champion.version)
    drop_alias(settings, spec.name, CHALLENGER, champion.version)


def clean_up(settings: Settings, spec: ModelSpec) -> None:
    """Remove the tags of releases that are over, and the revisions and images that nobody can return to.

    So goes the image of an older version that never was a candidate: its retraining died in between.
    It is already decided who serves, so what cannot be removed now is only logged: the next release tries again.
    """
    store, cloud, service = Store(settings.store_dsn), CloudRun(settings), spec.service_name
    champion = current_release(store, spec.name)
    if champion is None:
        return
    retired, ended = retired_releases(store, champion), ended_releases(store, spec.name)
    led, abandoned = releases_under_way(store, spec.name)
    needed = {item.version for item in [champion, *retired[: spec.release.kept_champions], *led, *abandoned]}
    # The last champion keeps its tag, and with it its minimum of instances: a roll-back then waits for no start.
    dropped = frozenset(name_tag(item) for item in ended if item not in retired[:1])
    try:
        cloud.set_traffic(service, {champion.revision: 100}, dropped)
        revisions, images = cloud.list_revisions(service), list_images(settings, spec)
        known = {row["version"] for row in store.fetch("lineage/versions", model=spec.name)}
        older = {version for version in known & images.keys() if version < champion.version}
        for version in sorted(({item.version for item in ended} | older) - needed):
            if version in images:
                remove_image(images[version])
            for revision in revisions:
                if f"{revision}-".startswith(f"{service}-v{version}-"):  # with those of its calibrations
                    cloud.delete_revision(service, revision)
    except ReleaseError as error:
        log.warning("%s: old revisions are left over: %s", spec.name, error)


def name_tag(release: Release) -> str:
    """The tag behind which a release answers whatever its share."""
    return f"v{release.version}"


def _describe(release: Release, running: RunningService) -> Candidate:
    address = running.tag_addresses[name_tag(release)]
    return Candidate(release.revision, address, running.address, release.release_id)
