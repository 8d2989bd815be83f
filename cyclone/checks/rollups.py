"""Roll-ups: counts and sums of the log by hour.

Checks read them instead of raw rows, so that a check costs the same however long the history is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from cyclone.checks.rollup_statement import ReferenceFeature, build_count, read_reference, split_reference
from cyclone.checks.schedules import find_longest_gap
from cyclone.errors import StatementError, StoreError
from cyclone.settings import read_settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store, Transaction
from cyclone.times import HOUR

WORK_MEMORY = "64MB"
"""The `work_mem` of the statement that counts rows. The groups of a year's hours fit in it.

With the default of Postgres, 4 MB, they would be written to disk. More memory would be taken from other connections.
"""
NOTHING_COUNTED = "1:1:"
"""A snapshot of Postgres from before its first transaction. Every row is news since then."""
ERRORS_ADD = ("rollups/errors_add", "rollups/errors_add_by_age", "rollups/confusion_add", "rollups/errors_tidy")
"""The statements that add changed errors to the roll-ups, in the order in which they have to run."""


@dataclass(frozen=True)
class RollupSummary:
    """The result of a roll-up: the number of hours with new rows, and of errors that came or went.

    Both are 0 when nothing is new. A corrected label counts as two errors, one that went and one that came.
    """

    model: str
    feature_hours: int
    error_changes: int


@dataclass(frozen=True)
class News:
    """The rows and labels of a model that became visible between two snapshots of Postgres.

    They are those that the snapshot `now` sees and the snapshot `since` does not.
    """

    model: str
    since: str
    now: str


@dataclass(frozen=True)
class Hour:
    """One hour of event time. A share of 1 / 2^level of its rows is counted."""

    start: datetime
    level: int


def roll_up(store: Store, spec: ModelSpec) -> RollupSummary:
    """Bring the roll-ups up to date with everything that is committed by now.

    Each row is counted once, whenever its transaction commits. Running it twice changes nothing. Late rows and
    corrected labels change the hours that they fall in. The result equals that of `rebuild`.
    Hours that have not ended are counted too, because checks read only whole hours up to the end of their window.
    Features of a version without a reference profile are not counted. Register the profile before the version serves.
    Errors: `StoreError` when the store was restored from a dump and needs a rebuild.
    """
    with store.transaction() as transaction:
        marks = transaction.fetch_one("rollups/watermark_take", model=spec.name)
        assert marks is not None, "the statement makes the watermark where there is none"
        now = _take_snapshot(transaction, marks["counted"], marks["counted_by"])
        news = News(spec.name, marks["counted"], now)
        _note_model(transaction, spec)
        return _count(transaction, spec, news, News(spec.name, marks["errors_counted"], now))


def rebuild(store: Store, spec: ModelSpec) -> RollupSummary:
    """Count again every hour that the log still holds. Hours without rows in the log keep their counts."""
    # In a restored store, rows carry transaction ids of another server. They are adopted before anything is counted.
    store.run("rollups/rows_adopt", model=spec.name)
    with store.transaction() as transaction:
        transaction.fetch("rollups/watermark_take", model=spec.name)
        now = _take_snapshot(transaction, NOTHING_COUNTED, None)
        transaction.run("rollups/empty", model=spec.name)
        news = News(spec.name, NOTHING_COUNTED, now)
        return _count(transaction, spec, news, news)


def find_level(rows: int, limit: int) -> int:
    """The sampling level of an hour: the smallest one at which 1 / 2^level of its rows is within the limit.

    >>> find_level(100, limit=100), find_level(101, limit=100), find_level(1000, limit=100)
    (0, 1, 4)
    """
    return max(0, (max(rows, 1) - 1) // limit).bit_length()


def join_hours(hours: Iterable[Hour]) -> list[tuple[Hour, datetime]]:
    """Join hours of one level that follow each other. Return the first hour and the end of each stretch."""
    stretches: list[tuple[Hour, datetime]] = []
    for hour in sorted(hours, key=lambda hour: hour.start):
        start = hour
        if stretches and stretches[-1][1] == hour.start and stretches[-1][0].level == hour.level:
            start = stretches.pop()[0]
        stretches.append((start, hour.start + HOUR))
    return stretches


def _note_model(transaction: Transaction, spec: ModelSpec) -> None:
    """Keep the rules that dashboards and alerts compare with, and that the monitor ran. It begins with a roll-up."""
    error, breaker = spec.retrain.error, spec.retrain.breaker
    transaction.run(
        "rollups/model_note",
        model=spec.name,
        task=spec.task,
        metric=spec.error_metric,
        label_delay=spec.label.delay,
        label_load=spec.label.load,
        silent_days=breaker.silent_days,
        error_limit=error.limit,
        error_window_days=error.window_days,
        error_minimum_days=error.minimum_days,
        error_minimum_rows=error.minimum_rows,
        completeness_floor=breaker.completeness,
        budget_per_week=spec.retrain.budget_per_week,
        longest_gap=find_longest_gap(read_settings().monitor_schedule or spec.monitor.schedule),
    )


def _take_snapshot(transaction: Transaction, counted: str, counted_by: int | None) -> str:
    row = transaction.fetch_one("rollups/snapshot_take", counted=counted, counted_by=counted_by)
    assert row is not None, "the statement returns one row"
    if row["is_restored"]:
        raise StoreError(
            "the store was restored from a dump of another server, whose transactions this one does not know."
            " Run `cyclone rollups rebuild MODEL` for every model"
        )
    now: str = row["now"]
    return now


def _count(transaction: Transaction, spec: ModelSpec, news: News, labels: News) -> RollupSummary:
    versions = [row["version"] for row in transaction.fetch("rollups/versions_with_news", **vars(news))]
    hours = sum(_count_version(transaction, spec, news, version) for version in versions)
    error_changes = _add_errors(transaction, labels)
    transaction.run("rollups/requests_add", **vars(news))
    transaction.run("rollups/watermark_move", model=spec.name, now=news.now)
    return RollupSummary(spec.name, feature_hours=hours, error_changes=error_changes)


def _count_version(transaction: Transaction, spec: ModelSpec, news: News, version: int) -> int:
    """Count the features of a version's new rows, and return the number of hours that they fall in.

    Hours that are not sampled are counted at once. For sampled hours the number of rows is read first, because it
    gives the sampling level. When the level of an hour changes, the whole hour is counted again.
    """
    of_version: dict[str, Any] = {"model": news.model, "version": version}
    reference = read_reference(transaction.fetch("rollups/reference_bins", **of_version))
    sampled = [row["bucket_start"] for row in transaction.fetch("rollups/sampled_hours", **of_version)]
    count = partial(_count_rows, transaction, reference, **of_version, now=news.now)
    found = count(since=news.since, without=sampled)
    if sampled:
        found += transaction.fetch("rollups/rows_count", **vars(news), version=version, hours=sampled)
    added = transaction.fetch(
        "rollups/rows_add",
        **of_version,
        hours=[row["bucket_start"] for row in found],
        counts=[row["count"] for row in found],
    )
    limit = spec.monitor.sample_above_rows_per_hour
    hours = {Hour(row["bucket_start"], find_level(row["count"], limit)): row["sample_level"] for row in added}
    changed = [hour for hour, level in hours.items() if hour.level != level]
    # Counts of two levels cannot be added, so the old ones go.
    for hour in changed:
        transaction.run("rollups/sample_set", **of_version, bucket_start=hour.start, sample_level=hour.level)
    for first, stop in join_hours(changed):
        count(since=NOTHING_COUNTED, start=first.start, stop=stop, level=first.level)
    for first, stop in join_hours(hour for hour, level in hours.items() if hour.level == level > 0):
        count(since=news.since, start=first.start, stop=stop, level=first.level)
    return len(added)


def _count_rows(
    transaction: Transaction,
    reference: list[ReferenceFeature],
    start: datetime | str = "-infinity",
    stop: datetime | str = "infinity",
    without: Sequence[datetime] = (),
    level: int = 0,
    **parameters: Any,
) -> list[Row]:
    """Count rows by hour and bin, and return the number of rows of each hour.

    Errors: `StatementError` when Postgres refuses the statement for another cause than a value.
    """
    parameters |= {"start": start, "stop": stop, "without": list(without), "level": level}
    transaction.run("rollups/memory_set", memory=WORK_MEMORY)
    counted: list[Row] = []
    for part in split_reference(reference):
        counted = _count_part(transaction, part, parameters)
    return counted  # each part counts the same rows


def _count_part(transaction: Transaction, part: list[ReferenceFeature], parameters: dict[str, Any]) -> list[Row]:
    # First without guards. To ask each value for its type costs a third more, and a wrong type is rare.
    try:
        with transaction.savepoint():
            return _select_count(transaction, part, parameters, is_guarded=False)
    except StatementError as error:
        if error.cause != "value":
            raise
    return _select_count(transaction, part, parameters, is_guarded=True)


def _select_count(
    transaction: Transaction, part: list[ReferenceFeature], parameters: dict[str, Any], *, is_guarded: bool
) -> list[Row]:
    statement, values = build_count(part, is_guarded)
    try:
        return transaction.select(statement, **values, **parameters).rows
    except StatementError as error:
        words = f"Postgres refused the roll-up's statement for {len(part)} features from {part[0].name!r} on: {error}"
        raise StatementError(words, error.cause) from error


def _add_errors(transaction: Transaction, news: News) -> int:
    """Add changed errors to the roll-ups, and return how many came or went. A corrected label is one of each."""
    changes = transaction.run("rollups/error_change", **vars(news))
    transaction.run("rollups/labels_wait", **vars(news))
    if changes:
        for statement in ERRORS_ADD:
            transaction.run(statement, model=news.model)
    return changes
