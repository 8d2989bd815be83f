"""The candidate of a release: a revision that starts with 0 % of the traffic and is given more."""

from dataclasses import dataclass, replace

from cyclone.calibration.correction import Calibration
from cyclone.clock import read_now
from cyclone.errors import ReleaseError
from cyclone.names import name_revision, name_tag
from cyclone.releases import (
    Release,
    check_promotable,
    create_candidate,
    current_release,
    note_share,
    read_release,
    release_of_run,
    releases_under_way,
    split_traffic,
)
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.cloud_run import CloudRun
from releasing.lock import LockedReleases, hold_releases
from releasing.revision_environment import build_environment, check_keys_are_asked_for, find_keys
from releasing.revisions.deployment import read_deployment
from releasing.revisions.invocation import build_caller_headers
from releasing.service_messages import RunningService
from training.images.image import Image, locate_image


@dataclass(frozen=True)
class Candidate:
    """A revision that is ready. It answers at `tag_address` even with 0 % of the service's traffic."""

    revision: str
    tag_address: str
    service_address: str
    release_id: int


@dataclass(frozen=True)
class UnderWay:
    """A fence that lets a release be deployed as long as it is neither over nor overtaken."""

    store: Store
    release_id: int
    number: int = 0

    def check(self) -> None:
        """Read the release and the record again. Errors: those of `check_promotable`."""
        check_promotable(self.store, read_release(self.store, self.release_id))


def deploy_candidate(
    settings: Settings,
    spec: ModelSpec,
    version: int,
    image: Image,
    run_id: str,
    calibration: Calibration | None = None,
) -> Candidate:
    """Deploy a version with 0 % of the traffic behind the tag `v<version>`, and wait until it is ready.

    It answers with its first `calibration`, if it has one.
    The candidate asks clients for the keys that are configured here. Without such keys it asks for the champion's.
    This holds no lock, because a start takes minutes. Each change of the service is made only if nobody has changed it
    since the release was found to be still under way.
    Errors: `ReleaseError` when it does not get ready, answers without a key, or was rolled back before.
    `StaleReleaseError` when a newer release serves. Then traffic is as it was.
    """
    deployment = read_deployment(settings, spec.name)
    store, service, keys = Store(settings.store_dsn), spec.service_name, find_keys(settings, spec)
    release = create_candidate(
        store,
        spec.name,
        version,
        revision=name_revision(spec.name, version),
        image=image.reference,
        image_digest=image.digest,
        run_id=run_id,
        created_at=read_now(store, settings, spec.name),
    )
    fence = UnderWay(store, release.release_id)
    fence.check()
    tag, env = name_tag(release.version), build_environment(settings, keys, calibration)
    source = locate_image(settings, image.reference)
    cloud = CloudRun(settings, fence)
    running = cloud.deploy(service, release.revision, tag, source, spec.serving, env, deployment)
    fence.check()
    candidate = _describe(release, running)
    check_keys_are_asked_for(
        keys, candidate.revision, candidate.tag_address, lambda: build_caller_headers(cloud, service)
    )
    return candidate


def candidate_of_run(settings: Settings, spec: ModelSpec, run_id: str) -> Candidate:
    """The candidate that a run deployed. Errors: `ReleaseError` when there is none or its tag is gone."""
    release = release_of_run(Store(settings.store_dsn), spec.name, run_id)
    running = CloudRun(settings).read_service(spec.service_name)
    if release is None or running is None or running.tags.get(name_tag(release.version)) != release.revision:
        raise ReleaseError(
            f"{spec.name}: run {run_id} has no candidate on Cloud Run. Clear the task `candidate` of this run in"
            " Airflow to deploy one"
        )
    return _describe(release, running)


def shift_traffic(settings: Settings, spec: ModelSpec, candidate: Candidate, percent: int) -> None:
    """Give the candidate `percent` of the traffic, and the champion the rest. Without a champion it gets 100 %.

    Errors: as `give_share`.
    """
    with hold_releases(Store(settings.store_dsn), spec.name) as held:
        give_share(settings, spec, held, candidate.release_id, percent)


def give_share(settings: Settings, spec: ModelSpec, held: LockedReleases, release_id: int, percent: int) -> None:
    """Note and give the share of a release, for whoever has the lock.

    Errors: `ReleaseError` when the release is over, or another canary has a share. `StaleReleaseError` when a newer
    release serves. `LostLockError` when the lock was lost.
    """
    release = read_release(held, release_id)
    check_promotable(held, release)
    champion = current_release(held, spec.name)
    if champion is None or champion.release_id == release.release_id:
        percents = {release.revision: 100}
    else:
        _check_alone(held, release)
        note_share(held, release, percent)
        percents = split_traffic(champion, [replace(release, traffic_percent=percent)])
    CloudRun(settings, held).set_traffic(spec.service_name, percents)


def _check_alone(held: LockedReleases, release: Release) -> None:
    led, _ = releases_under_way(held, release.model)
    others = [item for item in led if item.traffic_percent and item.release_id != release.release_id]
    if others:
        raise ReleaseError(
            f"{release.model}: {others[0].revision} has {others[0].traffic_percent} % of the traffic in its canary, so"
            f" {release.revision} gets none yet. Wait for its end, or end it with `cyclone rollback {release.model}`"
        )


def _describe(release: Release, running: RunningService) -> Candidate:
    address = running.tag_addresses[name_tag(release.version)]
    return Candidate(release.revision, address, running.address, release.release_id)
