"""Cleaning up after a release: tags, revisions and images that nobody can return to are removed."""

import logging

from cyclone.errors import LostLockError, ReleaseError
from cyclone.names import is_revision_of, name_tag
from cyclone.releases import current_release, ended_releases, releases_under_way, retired_releases, split_traffic
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.cloud_run import CloudRun
from releasing.lock import LockedReleases, hold_releases
from training.images.image import list_images, remove_image

log = logging.getLogger(__name__)


def clean_up(settings: Settings, spec: ModelSpec) -> None:
    """Remove the tags of releases that are over, and the revisions and images that nobody can return to.

    This includes the image of an older version that never was a candidate, because its retraining died.
    What cannot be removed is only logged, because it does not change what serves. The next release tries again.
    Between two versions the lock is free, so that a roll-back need not wait for all of them.
    """
    store = Store(settings.store_dsn)
    try:
        with hold_releases(store, spec.name) as held:
            _drop_tags(settings, spec, held)
            over = _list_unneeded(spec, held)
        images, revisions = list_images(settings, spec), CloudRun(settings).list_revisions(spec.service_name)
        for version in over:
            image = images.get(version)  # its calibrations have revisions of their own
            there = [revision for revision in revisions if is_revision_of(revision, spec.name, version)]
            if image or there:
                _try_to_remove(settings, spec, version, image, there)
    except ReleaseError as error:
        _log_leftovers(spec, "old revisions and images", error)


def _try_to_remove(settings: Settings, spec: ModelSpec, version: int, image: str | None, revisions: list[str]) -> None:
    """Remove what is there of a version. One that cannot be removed keeps no other from it."""
    try:
        _remove(settings, spec, version, image, revisions)
    except LostLockError:
        raise
    except ReleaseError as error:
        _log_leftovers(spec, f"version {version}", error)


def _log_leftovers(spec: ModelSpec, what: str, error: ReleaseError) -> None:
    log.warning("%s: %s left over, and the next release tries again: %s", spec.name, what, error)


def _drop_tags(settings: Settings, spec: ModelSpec, held: LockedReleases) -> None:
    """Drop the tags of releases that are over. The traffic is as the record says."""
    champion = current_release(held, spec.name)
    if champion is None:
        return
    led, _ = releases_under_way(held, spec.name)
    # The last champion keeps its tag, where one can look at its answers. It costs nothing without requests.
    kept = {item.version for item in [champion, *led, *retired_releases(held, champion)[:1]]}
    dropped = frozenset(name_tag(item.version) for item in ended_releases(held, spec.name) if item.version not in kept)
    CloudRun(settings, held).set_traffic(spec.service_name, split_traffic(champion, led), dropped)


def _list_unneeded(spec: ModelSpec, held: LockedReleases) -> list[int]:
    """The versions whose revisions and images nobody needs any more, by the record of now."""
    champion = current_release(held, spec.name)
    if champion is None:
        return []
    retired, (led, abandoned) = retired_releases(held, champion), releases_under_way(held, spec.name)
    needed = {item.version for item in [champion, *retired[: spec.release.kept_champions], *led, *abandoned]}
    known = {row["version"] for row in held.fetch("lineage/versions", model=spec.name)}
    older = {version for version in known if version < champion.version}
    return sorted(({item.version for item in ended_releases(held, spec.name)} | older) - needed)


def _remove(settings: Settings, spec: ModelSpec, version: int, image: str | None, revisions: list[str]) -> None:
    """Remove what is there of a version, unless somebody needs it by now."""
    with hold_releases(Store(settings.store_dsn), spec.name) as held:
        if version not in _list_unneeded(spec, held):
            return
        cloud = CloudRun(settings, held)
        for revision in revisions:
            cloud.delete_revision(spec.service_name, revision)
        if image is not None:
            remove_image(image, version)
