"""Roll-ups: the log counted by hour, so that a check costs the same however long the history is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cyclone.spec import ModelSpec
from cyclone.store import Store, Transaction

COMMIT_OVERLAP_MINUTES = 10
"""A row committed later than so long after its insert is only found by `rebuild`."""


@dataclass(frozen=True)
class RollupSummary:
    """How many hours of event time were counted again; zero and zero: nothing new was stored."""

    model: str
    feature_hours: int
    error_hours: int


def roll_up(store: Store, spec: ModelSpec) -> RollupSummary:
    """Bring `feature_rollup` and `error_rollup` up to date with all that is stored by now.

    Every hour with a new row or label is counted again as a whole, in one transaction: so running it twice
    changes nothing, late rows and corrected labels mend the hours they fall in, and the result is that of
    `rebuild`. Event time is not bounded: checks read whole hours up to their window's end, and ignore newer
    ones. Rows of versions without a reference profile are left out: register it before the version serves.
    """
    with store.transaction() as transaction:
        since, now = _take_watermark(transaction, spec.name)
        return _count_again(transaction, spec.name, since, now)


def rebuild(store: Store, spec: ModelSpec) -> RollupSummary:
    """Count again every hour that the log still holds; hours whose rows were dropped keep their counts."""
    with store.transaction() as transaction:
        _, now = _take_watermark(transaction, spec.name)
        return _count_again(transaction, spec.name, "-infinity", now)


def _take_watermark(transaction: Transaction, model: str) -> tuple[str, datetime]:
    row = transaction.fetch_one("rollups/watermark_take", model=model, overlap_minutes=COMMIT_OVERLAP_MINUTES)
    assert row is not None, "the statement makes the watermark where there is none"
    return row["since"], row["now"]


def _count_again(transaction: Transaction, model: str, since: str, now: datetime) -> RollupSummary:
    counted = {}
    for rollup in ("feature", "error"):
        rows = transaction.fetch(f"rollups/{rollup}_hours", model=model, since=since)
        hours = [row["bucket_start"] for row in rows]
        for start, stop in join_hours(hours):
            transaction.run(f"rollups/{rollup}_delete", model=model, start=start, stop=stop)
            transaction.run(f"rollups/{rollup}_insert", model=model, start=start, stop=stop)
        counted[rollup] = len(hours)
    transaction.run("rollups/watermark_move", model=model, stored_until=now)
    return RollupSummary(model, feature_hours=counted["feature"], error_hours=counted["error"])


def join_hours(hours: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """Hours as stretches [start, stop) without a gap: Postgres plans a plain range far better than a list."""
    stretches: list[tuple[datetime, datetime]] = []
    for hour in sorted(hours):
        start = stretches.pop()[0] if stretches and stretches[-1][1] == hour else hour
        stretches.append((start, hour + timedelta(hours=1)))
    return stretches
