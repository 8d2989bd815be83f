"""The prediction log of a model: how complete it is by hour or day, what was lost where, and what was set aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from cyclone.page.model import Visit, read_known, render_view
from cyclone.page.period import Period
from cyclone.page.rendering import format_share
from cyclone.page.scales import mark_days
from cyclone.store import Store
from cyclone.times import DAY, HOUR, floor_day

Row = Mapping[str, Any]
DEFAULT_DAYS = 7
"""A week of hours shows each of them."""
PRESETS = (1, 7, 30, 90)
MOST_DAYS_OF_HOURS = 14
"""Up to so many days, each hour has a bar of its own. Beyond them, each day has one."""
MOST_INSTANCES = 50
LOST = ("conflicting", "dropped", "set_aside")
COUNTS = ("expected", "stored", "repeated", "conflicting", "dropped", "set_aside", "pending")


@dataclass(frozen=True)
class Bar:
    """The rows that were answered in an hour or a day, and what became of them, in percent of the height."""

    left: float
    width: float
    kept: float
    lost: float
    waits: float
    words: str


def show_log(store: Store, model: str, visit: Visit) -> str:
    """The HTML of a model's log. Errors: `ConfigurationError` for a model that was never monitored."""
    with store.connected() as kept:
        known = read_known(kept, model)
        period = visit.read_period(known["present"], str(DEFAULT_DAYS))
        hours = kept.fetch("page/log_hours", model=model, since=period.since, until=period.until)
        instances = kept.fetch("page/instances", model=model, newest=MOST_INSTANCES)
        set_aside = kept.fetch("page/set_aside", model=model)
    length = HOUR if period.length <= MOST_DAYS_OF_HOURS * DAY else DAY
    counted = hours if length == HOUR else sum_days(hours)
    return render_view(
        "log",
        visit,
        model,
        period=period,
        presets=PRESETS,
        unit="hour" if length == HOUR else "day",
        bars=build_bars(period, counted, length),
        counted=counted,
        incomplete=[row for row in counted if any(row[name] for name in LOST) or row["pending"]],
        days=mark_days(period),
        totals={name: sum(row[name] for row in hours) for name in COUNTS},
        instances=instances,
        most_instances=MOST_INSTANCES,
        set_aside=set_aside,
    )


def sum_days(hours: Sequence[Row]) -> list[Row]:
    """The counts of each day of UTC."""
    days: list[Row] = []
    for day, group in groupby(hours, key=lambda row: floor_day(row["start"])):
        rows = list(group)
        days.append({"start": day, **{name: sum(row[name] for row in rows) for name in COUNTS}})
    return days


def build_bars(period: Period, parts: Sequence[Row], length: timedelta) -> list[Bar]:
    """A bar for each hour or day."""
    most = max((row["expected"] for row in parts), default=0) or 1
    return [_build_bar(period, row, length, most) for row in parts]


def _build_bar(period: Period, row: Row, length: timedelta, most: int) -> Bar:
    start: datetime = row["start"]
    left = period.find_place(start)
    kept = row["stored"] + row["repeated"]
    lost = sum(row[name] for name in LOST)
    share = format_share(kept / row["expected"]) if row["expected"] else "none"
    words = f"{start:%Y-%m-%d %H:%M} UTC: {kept:,} of {row['expected']:,} answered rows in the log, {share}"
    return Bar(
        left,
        period.find_place(start + length) - left,
        100 * kept / most,
        100 * lost / most,
        100 * row["pending"] / most,
        words,
    )
