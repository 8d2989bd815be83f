"""The time of each row, and when its label came."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from cyclone.errors import DataError
from cyclone.times import DAY, EARLIEST_OF_HISTORY, floor_day
from training.starting.columns import TextColumn
from training.starting.moments import Moments, find_moments, read_numbers
from training.starting.source import DataSource

CYCLE = timedelta(days=28 * 1461 // 4)
"""After 28 years the calendar has the same weekdays on the same dates."""
SPREAD_DAYS = 60
"""Rows without times are spread over so many days, which is enough for a hold-out, folds and days after them."""
TIME_NAMES = ("created_at", "timestamp", "datetime", "date", "time", "day", "ds")
LATER_SHARE = 0.99
"""A column of times is that of the label when so many of them are not before the row's own."""
NEARLY_ALL = 0.95
"""By the expected delay so many of the labels are there."""
RHYTHM_GAPS = 0.8
"""Labels come in loads when so many of the gaps between their days are the same, and longer than a day."""
SEED = 20110101


@dataclass(frozen=True)
class Timing:
    """When each row happened: in UTC, and as its clock showed it, which is for the calendar and is never moved.

    Both are None for a row without a time. `column` is where that stands, and empty if times were made up.
    `label_column` is the time of the label, if there is one.
    """

    column: str
    created_at: list[datetime | None]
    clock: list[datetime | None]
    why: str
    delay_hours: float = 24
    load_days: int = 0
    delay_why: str = "a guess, as no column says when labels came. By when are nearly all there?"
    label_column: str = ""
    notes: list[str] = field(default_factory=list)


def find_timing(source: DataSource, columns: Sequence[TextColumn], named: str) -> Timing:
    """The time of each row, from the column that is named or the one that looks like it.

    Errors: `DataError` when the named column has no times.
    """
    times = {column.name: column.moments for column in columns if column.moments}
    column = _choose(columns, times, named)
    if column is None:
        return _spread(len(source.numbers), columns)
    moments = times.get(column.name) or _read_named(source, column)
    in_utc = [moments.in_utc(text) if text else None for text in column.texts]
    clock = [moments.times[text].replace(tzinfo=None) if text else None for text in column.texts]
    shift, notes = _find_shift(source, column.name, [time for time in in_utc if time])
    why = f"the column {column.name!r}, written as {moments.format}"
    if not moments.zoned:
        notes.append(f"{column.name!r} has no zone and is taken for UTC")
    created_at = [time + shift if time else None for time in in_utc]
    timing = Timing(column.name, created_at, clock, why, notes=notes)
    return _add_delay(timing, columns, in_utc)


def _choose(columns: Sequence[TextColumn], times: dict[str, Moments], named: str) -> TextColumn | None:
    by_name = {column.name: column for column in columns}
    if named:
        return by_name[named]
    full = [by_name[name] for name in times if not by_name[name].nulls]
    order = {name: place for place, name in enumerate(TIME_NAMES)}
    return min(full, key=lambda column: order.get(column.name.strip().lower(), len(order)), default=None)


def _read_named(source: DataSource, column: TextColumn) -> Moments:
    moments = read_numbers(column.counts) or find_moments(column.counts)
    if moments is None:
        shown = next(iter(column.counts), "")
        raise DataError(f"{source.name}: --time {column.name}: {shown!r} is no time. Write it as 2011-01-31T23:00:00Z")
    return moments


def _find_shift(source: DataSource, name: str, times: Sequence[datetime]) -> tuple[timedelta, list[str]]:
    """By how much times are shifted so that a history may have them, with a note. Weekdays and seasons stay."""
    first, last, now = min(times), max(times), datetime.now(UTC)
    if first >= EARLIEST_OF_HISTORY and last <= now:
        return timedelta(0), []
    cycles = (
        math.ceil((EARLIEST_OF_HISTORY - first) / CYCLE)
        if first < EARLIEST_OF_HISTORY
        else -math.ceil((last - now) / CYCLE)
    )
    shift = cycles * CYCLE
    if first + shift < EARLIEST_OF_HISTORY or last + shift > now:
        raise DataError(
            f"{source.name}: {name!r} has times from {first:%Y-%m-%d} to {last:%Y-%m-%d}, and a history holds those"
            f" from {EARLIEST_OF_HISTORY:%Y} to now. Leave out the others"
        )
    words = f"times were moved by {28 * cycles:+} years, as a history holds those from {EARLIEST_OF_HISTORY:%Y} to now."
    return shift, [f"{words} Weekdays and seasons are the same"]


def _spread(rows: int, columns: Sequence[TextColumn]) -> Timing:
    """Made-up times: each row gets a random day of the last ones, so that no day differs from another."""
    places = list(range(rows))
    random.Random(SEED).shuffle(places)  # noqa: S311 (any order does, and the same one every time)
    start, step = floor_day(datetime.now(UTC)) - SPREAD_DAYS * DAY, SPREAD_DAYS * DAY / max(1, rows)
    created_at: list[datetime | None] = [start + place * step for place in places]
    why = "made up: no column has times, so rows were spread over the last days in random order"
    notes = [
        f"no time column: rows were spread over {SPREAD_DAYS} days in random order. That is enough to train and serve"
    ]
    notes += ["a backtest and the monitor need true times: begin again with --time COLUMN once you have them"]
    notes += [
        f"{column.name!r} could be times ({moments.format}): if it is, begin again with --time {column.name}"
        for column in columns
        if column.kind == "integer" and (moments := read_numbers(column.counts))
    ]
    return Timing("", created_at, [], why, notes=notes)


def _add_delay(timing: Timing, columns: Sequence[TextColumn], in_utc: Sequence[datetime | None]) -> Timing:
    """The timing with the delay and the rhythm of the labels, where a column says when they came."""
    for column in columns:
        if column.moments is None or column.name == timing.column:
            continue
        came = [column.moments.in_utc(text) if text else None for text in column.texts]
        pairs = [(row, label) for row, label in zip(in_utc, came, strict=True) if row and label]
        later = [(label - row) for row, label in pairs if label >= row]
        if pairs and len(later) >= LATER_SHARE * len(pairs) and max(later) > timedelta(0):
            return _measure_delay(timing, column.name, sorted(later), {floor_day(label) for _, label in pairs})
    return timing


def _measure_delay(timing: Timing, name: str, delays: Sequence[timedelta], days: set[datetime]) -> Timing:
    hours = math.ceil(delays[min(len(delays) - 1, int(NEARLY_ALL * len(delays)))] / timedelta(hours=1))
    load_days = _find_rhythm(sorted(days))
    words = f"the column {name!r}: {NEARLY_ALL:.0%} of the labels came within {hours:,} hours"
    if load_days:
        hours = max(0, hours - 24 * load_days)
        words += f", in loads {load_days} days apart"
    return Timing(
        **{
            **timing.__dict__,
            "delay_hours": min(hours, 366 * 24),
            "load_days": load_days,
            "delay_why": words,
            "label_column": name,
        }
    )


def _find_rhythm(days: Sequence[datetime]) -> int:
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    if len(gaps) < 3:
        return 0
    usual = sorted(gaps)[len(gaps) // 2]
    return usual if 1 < usual <= 90 and gaps.count(usual) >= RHYTHM_GAPS * len(gaps) else 0
