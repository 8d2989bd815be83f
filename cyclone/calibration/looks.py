"""When to search for a calibration of the version that serves, and what the newest search has found.

A calibration is a small correction of predictions. `cyclone.calibration.fitting` does the search itself.
"""

from dataclasses import dataclass
from datetime import datetime

from cyclone.calibration.correction import Calibration
from cyclone.calibration.fitting import is_due
from cyclone.releases import Release, current_release, releases_under_way
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store
from cyclone.times import count_days, floor_day


@dataclass(frozen=True)
class Look:
    """The newest search for a calibration of a version. `calibration` is None where raw predictions were as good.

    It is settled when the calibration has served, or equals what serves now.
    """

    calibration_id: int
    calibration: Calibration | None
    is_settled: bool
    reason: str


def is_recalibration_due(store: Store, spec: ModelSpec, now: datetime) -> bool:
    """Whether there is something to do now: look for a calibration, or release one that was found."""
    champion = current_release(store, spec.name)
    if champion is None or find_rest(store, spec, champion):
        return False
    look = read_look(store, spec, champion, floor_day(now))
    return look is None or not look.is_settled


def find_rest(store: Store, spec: ModelSpec, champion: Release) -> str | None:
    """Why the champion must not be recalibrated now, in words. None if it may be."""
    if not spec.recalibrate.enabled:
        return "recalibrate.enabled is false"
    if any(releases_under_way(store, spec.name)):
        return "a release is under way"
    withdrawn = store.fetch_one("calibration/withdrawn", model=spec.name, version=champion.version)
    return str(withdrawn["reason"]) if withdrawn else None


def read_look(store: Store, spec: ModelSpec, champion: Release, day: datetime) -> Look | None:
    """The newest search for a version's calibration. None when it is time for another search."""
    row = store.fetch_one("calibration/looked", model=spec.name, version=champion.version, day=day)
    if row is None or _is_due_again(spec, day, row["fitted_at"]):
        return None
    wanted = _build(row)
    is_settled = row["served_at"] is not None or wanted == read_calibration(store, spec.name, champion.revision)
    return Look(row["calibration_id"], wanted, is_settled, row["reason"])


def _is_due_again(spec: ModelSpec, day: datetime, fitted_at: datetime) -> bool:
    return fitted_at != day and is_due(spec.recalibrate, count_days(day), count_days(fitted_at))


def read_calibration(store: Store, model: str, revision: str) -> Calibration | None:
    """The calibration that a revision answers with. None if it answers raw predictions."""
    row = store.fetch_one("calibration/of_revision", model=model, revision=revision)
    return _build(row) if row else None


def _build(row: Row) -> Calibration | None:
    return Calibration(row["method"], tuple(row["parameters"])) if row["method"] else None
