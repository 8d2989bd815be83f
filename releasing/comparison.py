"""The comparison of each monitor run: traffic, tags and aliases beside the release record."""

import logging
import time
from datetime import datetime

from cyclone.differences import Difference
from cyclone.errors import TrackingError
from cyclone.record_comparison import find_unwatched, note_comparison
from cyclone.releases import releases_under_way
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, load_model_specs
from cyclone.store import Store
from releasing.reconcile import reconcile, reconcile_aliases, reconcile_traffic

log = logging.getLogger(__name__)
SETTLE_SECONDS = 5.0
"""A difference counts if it is still there after so long.

A promotion moves traffic, record and alias one after the other, within a second or two. A longer time would only hold
up the monitor, and this one is waited for only if there is a difference.
"""


def compare(settings: Settings, spec: ModelSpec, run_id: str, at: datetime) -> list[Difference]:
    """Compare what serves with the release record, record the differences, and return them.

    They are mended if `release.reconcile` is `always`. A candidate that nobody leads any more is always rolled back,
    as Cyclone itself left it behind.
    A model that serves without a folder is told by the first model that has one, so that it is told once.
    Errors: `ReleaseError` when Cloud Run does not answer.
    """
    store = Store(settings.store_dsn)
    found = left = find_lasting(settings, spec)
    specs, _ = load_model_specs(settings.models_dir)
    unwatched = find_unwatched(store, settings.models_dir) if specs and specs[0].name == spec.name else []
    _, abandoned = releases_under_way(store, spec.name)
    try:
        if found and (spec.release.reconcile == "always" or abandoned):
            _mend(settings, spec)
            left = find_differences(settings, spec)
    finally:
        is_mended = bool(found) and not left and not unwatched
        note_comparison(store, spec.name, run_id, at, found if is_mended else [*left, *unwatched], is_mended)
    return [*found, *unwatched]


def _mend(settings: Settings, spec: ModelSpec) -> None:
    """Make traffic and aliases follow the record. An alias that MLflow refuses to move stays a difference."""
    try:
        reconcile(settings, spec)
    except TrackingError as error:
        log.warning("%s: the aliases could not be mended: %s", spec.name, error)


def find_lasting(settings: Settings, spec: ModelSpec) -> list[Difference]:
    """The differences that a second look finds again. What a release under way moves is none of them."""
    found = find_differences(settings, spec)
    if not found:
        return []
    time.sleep(SETTLE_SECONDS)
    return [item for item in find_differences(settings, spec) if item in found]


def find_differences(settings: Settings, spec: ModelSpec) -> list[Difference]:
    """The differences of this moment. Nothing is changed.

    An MLflow that is away is only logged, because nothing decides on its aliases.
    """
    found = reconcile_traffic(settings, spec, should_mend=False)
    try:
        found += reconcile_aliases(settings, spec, should_mend=False)
    except TrackingError as error:
        log.warning("%s: the aliases could not be compared: %s", spec.name, error)
    return found
