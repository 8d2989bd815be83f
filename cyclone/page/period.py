"""The period of time that a view shows, as an address names it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from cyclone.times import DAY, floor_day

PRESETS = (7, 30, 90, 365)
"""The lengths in days that a person can choose with one click: a week, a month, a quarter and a year."""
DEFAULT_DAYS = 90
"""A quarter shows the last retrainings of most models, and a day is still some pixels wide."""
MOST_DAYS = 1100
"""Three years. A longer period would have more days than a screen has pixels."""


@dataclass(frozen=True)
class Period:
    """Whole days of UTC from `since` up to `until`, which is not part of it.

    `days` is the number that was asked for, if the period ends at the present. `fault` says what was wrong with the
    address, and is empty if nothing was.
    """

    since: datetime
    until: datetime
    days: int | None
    fault: str = ""

    def list_days(self) -> list[datetime]:
        """The starts of the whole days, the oldest first."""
        return [self.since + number * DAY for number in range(self.length.days)]

    @property
    def query(self) -> str:
        """The part of an address by which other views show the same period."""
        if self.days is not None:
            return urlencode({"days": self.days})
        return urlencode({"since": f"{self.since:%Y-%m-%d}", "until": f"{self.until - DAY:%Y-%m-%d}"})

    @property
    def last_day(self) -> datetime:
        """The last day that is part of the period, which people name as its end."""
        return self.until - DAY

    @property
    def length(self) -> timedelta:
        return self.until - self.since

    def find_place(self, moment: datetime) -> float:
        """Where a moment lies in the period, in percent of its length. Outside it is cut off."""
        return 100 * min(1.0, max(0.0, (moment - self.since) / self.length))


def read_period(since: str, until: str, days: str, present: datetime) -> Period:
    """The period that an address names: two days of `YYYY-MM-DD`, both of which are part of it, or a number of days.

    What cannot be read leads to the last 90 days, and to a fault in words.

    >>> read_period("2026-03-01", "2026-03-31", "", datetime(2026, 6, 1, tzinfo=UTC)).length.days
    31
    """
    end = floor_day(present - timedelta(microseconds=1)) + DAY
    if since or until:
        try:
            return _read_days(since, until, end)
        except ValueError:
            wrong = " to ".join(filter(None, [since, until]))
            return _count_back(end, DEFAULT_DAYS, f"{wrong[:60]!r} is no period: two days such as 2026-03-31 are")
    if not days:
        return _count_back(end, DEFAULT_DAYS)
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:6]) <= MOST_DAYS):
        return _count_back(end, DEFAULT_DAYS, f"{days[:20]!r} is no number of days from 1 to {MOST_DAYS}")
    return _count_back(end, int(days))


def _read_days(since: str, until: str, end: datetime) -> Period:
    first = _read_day(since) if since else None
    last = _read_day(until) + DAY if until else end
    first = first or last - DEFAULT_DAYS * DAY
    if not DAY <= last - first <= MOST_DAYS * DAY:
        raise ValueError("not a period")
    return Period(first, last, None)


def _read_day(text: str) -> datetime:
    day = date.fromisoformat(text)
    if not 1900 <= day.year <= 2200:  # a day before or after it has to be a date as well
        raise ValueError("not a year")
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _count_back(end: datetime, days: int, fault: str = "") -> Period:
    return Period(end - days * DAY, end, days, fault)
