"""Releasing a version: traffic on Cloud Run, the aliases in MLflow and the release record move together."""

import logging
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
    mark_rolled_back,
    note_share,
    previous_release,
    promote_release,
    read_release,
    release_of_run,
    restore_release,
)
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from training.image import Image
from training.tracking import CHALLENGER, CHAMPION, connect, drop_alias, find_version

log = logging.getLogger(__name__)


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
    env = {"CYCLONE_STORE_DSN": settings.store_dsn, "BENTOML_DO_NOT_TRACK": "True"}
    tag = _name_tag(release)
    running = CloudRun(settings).deploy(service, release.revision, tag, image.reference, spec.serving, env)
    return _describe(release, running)


def candidate_of_run(settings: Settings, spec: ModelSpec, run_id: str) -> Candidate:
    """The candidate that a run deployed. Errors: `ReleaseError` when there is none, or its tag is gone."""
    release = release_of_run(Store(settings.store_dsn), run_id)
    running = CloudRun(settings).read_service(spec.service_name)
    if release is None or running is None or running.tags.get(_name_tag(release)) != release.revision:
        raise ReleaseError(f"{spec.name}: run {run_id} has no candidate on Cloud Run; deploy one first")
    return _describe(release, running)


def shift_traffic(settings: Settings, spec: ModelSpec, candidate: Candidate, percent: int) -> None:
    """Give the candidate `percent` of the traffic, and the champion the rest.

    Errors: `ReleaseError` when the candidate is over, `StaleReleaseError` when a newer release serves.
    """
    store = Store(settings.store_dsn)
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
    release = read_release(store, candidate.release_id)
    try:
        check_promotable(store, release)
        CloudRun(settings).set_traffic(spec.service_name, {release.revision: 100})
        promote_release(store, release, read_now(store, settings, spec.name))
    except StaleReleaseError as error:
        roll_back(settings, spec, release.run_id, str(error))
        raise
    _align_aliases(settings, spec, release)
    _clean_up(settings, spec)


def roll_back(settings: Settings, spec: ModelSpec, run_id: str, reason: str) -> None:
    """Return all traffic to the recorded champion and mark the run's release as rolled back.

    A run whose release is that champion has nothing to take back: traffic and aliases are only made to fit the
    record. A run without a release is none to roll back.
    """
    store = Store(settings.store_dsn)
    release, champion = release_of_run(store, run_id), current_release(store, spec.name)
    if release is None:
        return
    is_champion = champion is not None and champion.release_id == release.release_id
    if champion is not None:
        dropped = frozenset() if is_champion else frozenset({_name_tag(release)})
        _return_traffic(settings, spec, champion, dropped)
        _align_aliases(settings, spec, champion)
    if not is_champion:
        mark_rolled_back(store, release, read_now(store, settings, spec.name), reason)
        drop_alias(connect(settings), spec.name, CHALLENGER, release.version)


def restore_previous(settings: Settings, spec: ModelSpec, reason: str) -> Release:
    """Roll the champion itself back: traffic, record and alias return to the one before it, which is returned.

    The error and drift checks follow the record, and with it the older version's reference profile.
    Errors: `ReleaseError` when there is none before it.
    """
    store = Store(settings.store_dsn)
    champion = current_release(store, spec.name)
    previous = previous_release(store, champion) if champion is not None else None
    if champion is None or previous is None:
        raise ReleaseError(f"{spec.name}: there is no champion before the present one to return to")
    _return_traffic(settings, spec, previous, frozenset({_name_tag(champion)}))
    restore_release(store, previous, champion, read_now(store, settings, spec.name), reason)
    _align_aliases(settings, spec, previous)
    return previous


def _return_traffic(settings: Settings, spec: ModelSpec, champion: Release, dropped: frozenset[str]) -> None:
    cloud = CloudRun(settings)
    if cloud.read_service(spec.service_name) is not None:
        cloud.set_traffic(spec.service_name, {champion.revision: 100}, dropped)


def _align_aliases(settings: Settings, spec: ModelSpec, champion: Release) -> None:
    client = connect(settings)
    found = find_version(client, spec.name, CHAMPION)
    if found is None or int(found.version) != champion.version:
        client.set_registered_model_alias(spec.name, CHAMPION, str(champion.version))
    drop_alias(client, spec.name, CHALLENGER, champion.version)


def _clean_up(settings: Settings, spec: ModelSpec) -> None:
    """Remove the tags of releases that are over, and their revisions but the last champion's.

    It is already decided who serves, so what cannot be removed now is only logged: the next release tries again.
    """
    store, cloud, service = Store(settings.store_dsn), CloudRun(settings), spec.service_name
    champion = current_release(store, spec.name)
    if champion is None:
        return
    previous = previous_release(store, champion)
    ended = ended_releases(store, spec.name)
    try:
        cloud.set_traffic(service, {champion.revision: 100}, frozenset(map(_name_tag, ended)))
        there = set(cloud.list_revisions(service))
        for release in ended:
            if release.revision in there and (previous is None or release.revision != previous.revision):
                cloud.delete_revision(service, release.revision)
    except ReleaseError as error:
        log.warning("%s: old revisions are left over: %s", spec.name, error)


def _name_tag(release: Release) -> str:
    return f"v{release.version}"


def _describe(release: Release, running: RunningService) -> Candidate:
    address = running.tag_addresses[_name_tag(release)]
    return Candidate(release.revision, address, running.address, release.release_id)
