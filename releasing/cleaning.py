"""Cleaning up after a release: tags, revisions and images that nobody can return to are removed."""

import logging

from cyclone.errors import ReleaseError
from cyclone.names import is_revision_of, name_tag
from cyclone.releases import current_release, ended_releases, releases_under_way, retired_releases
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.cloud_run import CloudRun
from training.images.image import list_images, remove_image

log = logging.getLogger(__name__)


def clean_up(settings: Settings, spec: ModelSpec) -> None:
    """Remove the tags of releases that are over, and the revisions and images that nobody can return to.

    This includes the image of an older version that never was a candidate, because its retraining died.
    What cannot be removed is only logged, because it does not change what serves. The next release tries again.
    """
    store, cloud, service = Store(settings.store_dsn), CloudRun(settings), spec.service_name
    champion = current_release(store, spec.name)
    if champion is None:
        return
    retired, ended = retired_releases(store, champion), ended_releases(store, spec.name)
    led, abandoned = releases_under_way(store, spec.name)
    needed = {item.version for item in [champion, *retired[: spec.release.kept_champions], *led, *abandoned]}
    # The last champion keeps its tag, and so its minimum of instances. A roll-back then waits for no start.
    dropped = frozenset(name_tag(item.version) for item in ended if item not in retired[:1])
    try:
        cloud.set_traffic(service, {champion.revision: 100}, dropped)
        revisions, images = cloud.list_revisions(service), list_images(settings, spec)
        known = {row["version"] for row in store.fetch("lineage/versions", model=spec.name)}
        older = {version for version in known & images.keys() if version < champion.version}
        for version in sorted(({item.version for item in ended} | older) - needed):
            if version in images:
                remove_image(images[version])
            for revision in revisions:
                if is_revision_of(revision, spec.name, version):  # the revisions of its calibrations too
                    cloud.delete_revision(service, revision)
    except ReleaseError as error:
        log.warning("%s: old revisions are left over, and the next release tries again: %s", spec.name, error)
