"""The scores of refits in the store: which refit is due, what was recorded, and what a decision reads.

All times are event time, so that a backfill and a replay see what was known then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cyclone.checks.champion import find_champion
from cyclone.policy.facts import RefitDay
from cyclone.policy.refits import MOST_REFIT_DAYS, PICK_DAYS, REFIT_DAYS, choose_window, find_refit_days
from cyclone.sections import Window
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import DAY, EPOCH, count_days, floor_day


@dataclass(frozen=True)
class Stretch:
    """The days on which one refit is scored. The refit is trained on what was known at `trained_at`, the first of them.

    `end` is the midnight that ends them. `version` served when all of their labels were known, at `known_at`.
    """

    version: int
    trained_at: datetime
    end: datetime
    known_at: datetime

    def list_days(self) -> list[datetime]:
        """The midnights at which the days of the stretch begin."""
        return [self.trained_at + number * DAY for number in range((self.end - self.trained_at) // DAY)]


@dataclass(frozen=True)
class ScoredDay:
    """The refit of one window on one day. Both errors are None without rows, the refit's also without a refit."""

    day: datetime
    window: Window
    rows: int
    error: float | None
    refit_error: float | None


def find_due_stretch(store: Store, spec: ModelSpec, now: datetime) -> Stretch | None:
    """The oldest stretch of days that is to be scored at `now`. None when none is due.

    Stretches follow each other. The first of a model is on a grid that is the same for all versions. Nothing is made up
    for that is older than the present version, or than the days on which windows are compared.
    """
    champion = find_champion(store, spec.name, now)
    if champion is None or "gain" not in spec.retrain.triggered_by:
        return None
    newest = store.fetch_one("refits/newest", model=spec.name, at=now)
    length = find_refit_days(newest["seconds"] if newest else 0.0)
    if length is None:
        return None
    since = store.fetch_one("policy/version_since", model=spec.name, version=champion.version, at=now)
    start = _floor_stretch(max(since["promoted_at"] if since else now, now - PICK_DAYS * DAY))
    if newest:
        start = max(start, newest["day"] + DAY)
    end = start + length * DAY
    known_at = end + spec.label.delay + spec.label.load
    served = find_champion(store, spec.name, known_at) if known_at <= now else None
    return Stretch(served.version, start, end, known_at) if served else None


def record_scores(store: Store, spec: ModelSpec, stretch: Stretch, days: Sequence[ScoredDay], seconds: float) -> None:
    """Record the scores of a stretch. What was recorded first stays."""
    with store.transaction() as transaction:
        for item in days:
            transaction.run(
                "refits/record",
                model=spec.name,
                day=item.day,
                version=stretch.version,
                window_days=item.window or 0,
                trained_at=stretch.trained_at,
                known_at=stretch.known_at,
                row_count=item.rows,
                error=item.error,
                refit_error=item.refit_error,
                seconds=seconds,
            )


def read_refit_days(store: Store, spec: ModelSpec, promoted_at: datetime | None, at: datetime) -> list[RefitDay]:
    """The scored days that a decision at a moment rests on.

    They are those since `promoted_at`, when the version that serves was promoted, and those that windows are compared
    on. No version need serve.
    """
    # The newest scored days are as old as the labels wait, and as a stretch is long.
    since = at - (PICK_DAYS + MOST_REFIT_DAYS) * DAY - spec.label.delay - spec.label.load
    since = min(since, floor_day(promoted_at)) if promoted_at else since
    rows = store.fetch("refits/days", model=spec.name, since=since, at=at)
    return [RefitDay(**{**row, "refit_errors": _read_errors(row["refit_errors"])}) for row in rows]


def find_window(store: Store, spec: ModelSpec, at: datetime) -> Window:
    """The window that a retraining at a moment trains on: the one of model.yaml, or with `auto` the best of refits."""
    return choose_window(spec.retrain, read_refit_days(store, spec, None, at))


def _read_errors(errors: dict[str, float]) -> dict[Window, float]:
    return {int(window) or None: error for window, error in errors.items()}


def _floor_stretch(moment: datetime) -> datetime:
    """The beginning of a stretch on the grid."""
    return EPOCH + count_days(moment) // REFIT_DAYS * REFIT_DAYS * DAY
