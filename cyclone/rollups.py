"""Roll-ups: the log counted by hour, so that a check costs the same however long the history is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from cyclone.binning import ReferenceFeature, build_count, read_reference
from cyclone.errors import StoreError
from cyclone.spec import ModelSpec
from cyclone.store import Store, Transaction

WORK_MEMORY = "64MB"
"""What the groups of a year's hours take; by default Postgres would write them to disk."""
NOTHING_COUNTED = "1:1:"
"""The snapshot of before any transaction."""


@dataclass(frozen=True)
class RollupSummary:
    """How many hours had new rows, and how many errors came or went; zero and zero: nothing is new."""

    model: str
    feature_hours: int
    error_changes: int


@dataclass(frozen=True)
class News:
    """What is counted: rows that `now` sees and `since` does not, both snapshots of Postgres."""

    model: str
    since: str
    now: str


@dataclass(frozen=True)
class Hour:
    """An hour of a version to count: its news or, when the share that is sampled changes, all its rows."""

    start: datetime
    level: int
    is_recounted: bool


def roll_up(store: Store, spec: ModelSpec) -> RollupSummary:
    """Bring the roll-ups up to date with all that is committed by now.

    What a transaction stored is counted once, whenever it commits: running it twice changes nothing, late rows
    and corrected labels mend the hours they fall in, and the result is that of `rebuild`. Event time is not bounded:
    checks read whole hours up to their window's end, and ignore newer ones. Features of versions without a
    reference profile are left out: register it before the version serves.
    Errors: `StoreError` when the store was restored from a dump and needs a rebuild.
    """
    with store.transaction() as transaction:
        news = _take_news(transaction, spec.name)
        return _count(transaction, spec, news)


def rebuild(store: Store, spec: ModelSpec) -> RollupSummary:
    """Count again every hour that the log still holds; hours whose rows were dropped keep their counts."""
    store.run("rollups/rows_adopt", model=spec.name)
    with store.transaction() as transaction:
        transaction.fetch("rollups/watermark_take", model=spec.name)
        now = _take_snapshot(transaction, NOTHING_COUNTED)
        transaction.run("rollups/empty", model=spec.name)
        return _count(transaction, spec, News(spec.name, NOTHING_COUNTED, now))


def find_level(rows: int, limit: int) -> int:
    """The smallest level at which a share of 1 / 2^level of an hour's rows is within the limit.

    >>> find_level(100, limit=100), find_level(101, limit=100), find_level(1000, limit=100)
    (0, 1, 4)
    """
    return max(0, (max(rows, 1) - 1) // limit).bit_length()


def join_hours(hours: Iterable[Hour]) -> list[tuple[Hour, datetime]]:
    """Hours that are counted alike as stretches: the first one and where the stretch ends.

    An hour between those of a stretch has no news, so counting the news of the stretch finds none in it; hours that are
    recounted are joined without gaps only.
    """
    stretches: list[tuple[Hour, datetime]] = []
    for hour in sorted(hours, key=lambda hour: hour.start):
        end = hour.start + timedelta(hours=1)
        if stretches:
            first, stop = stretches[-1]
            is_alike = (first.level, first.is_recounted) == (hour.level, hour.is_recounted)
            if is_alike and (stop == hour.start or not hour.is_recounted):
                stretches[-1] = (first, end)
                continue
        stretches.append((hour, end))
    return stretches


def _take_news(transaction: Transaction, model: str) -> News:
    row = transaction.fetch_one("rollups/watermark_take", model=model)
    assert row is not None, "the statement makes the watermark where there is none"
    return News(model, row["counted"], _take_snapshot(transaction, row["counted"]))


def _take_snapshot(transaction: Transaction, counted: str) -> str:
    row = transaction.fetch_one("rollups/snapshot_take", counted=counted)
    assert row is not None, "the statement returns one row"
    if row["is_restored"]:
        raise StoreError(
            "the store was restored from a dump of another server, whose transactions this one does not know:"
            " run `cyclone rollups rebuild MODEL` for every model"
        )
    now: str = row["now"]
    return now


def _count(transaction: Transaction, spec: ModelSpec, news: News) -> RollupSummary:
    limit = spec.monitor.sample_above_rows_per_hour
    rows = transaction.fetch("rollups/rows_count", **vars(news))
    rows.sort(key=lambda row: (row["version"], row["bucket_start"]))
    for version, group in groupby(rows, key=lambda row: row["version"]):
        reference = read_reference(transaction.fetch("rollups/reference_bins", model=spec.name, version=version))
        hours = []
        for row in group:
            level = find_level(row["count"], limit)
            is_recounted = level != row["sample_level"]
            hours.append(Hour(row["bucket_start"], level, is_recounted))
            if is_recounted:
                _set_level(transaction, news.model, version, hours[-1])
        if reference:
            _count_features(transaction, news, version, reference, hours)
    error_changes = _add_errors(transaction, news)
    transaction.run("rollups/requests_add", **vars(news))
    transaction.run("rollups/watermark_move", model=spec.name, now=news.now)
    return RollupSummary(spec.name, feature_hours=len(rows), error_changes=error_changes)


def _set_level(transaction: Transaction, model: str, version: int, hour: Hour) -> None:
    transaction.run(
        "rollups/sample_set", model=model, version=version, bucket_start=hour.start, sample_level=hour.level
    )


def _count_features(
    transaction: Transaction, news: News, version: int, reference: list[ReferenceFeature], hours: list[Hour]
) -> None:
    for first, stop in join_hours(hours):
        _insert_counts(
            transaction,
            reference,
            model=news.model,
            version=version,
            start=first.start,
            stop=stop,
            since=NOTHING_COUNTED if first.is_recounted else news.since,
            now=news.now,
            level=first.level,
        )


def _insert_counts(transaction: Transaction, reference: list[ReferenceFeature], **parameters: Any) -> None:
    """Without guards first: asking every value for its type costs a third more, and they are right but rarely."""
    from psycopg2 import DataError

    with transaction.connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = %s; SAVEPOINT unguarded", (WORK_MEMORY,))
        try:
            statement, values = build_count(reference, is_guarded=False)
            cursor.execute(statement, {**values, **parameters})
        except DataError:
            cursor.execute("ROLLBACK TO SAVEPOINT unguarded")
            statement, values = build_count(reference, is_guarded=True)
            cursor.execute(statement, {**values, **parameters})


def _add_errors(transaction: Transaction, news: News) -> int:
    """How many errors came or went: a corrected label is one of each."""
    changes = transaction.run("rollups/error_change", **vars(news))
    transaction.run("rollups/labels_wait", **vars(news))
    if changes:
        for statement in ("errors_add", "errors_add_by_age", "confusion_add", "errors_tidy"):
            transaction.run(f"rollups/{statement}", model=news.model)
    return changes
