"""Whole hours, days and months of UTC, and days as numbers."""

from datetime import UTC, datetime, timedelta

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The beginning of day 0, wherever days are numbers."""
EARLIEST_OF_HISTORY = datetime(1900, 1, 1, tzinfo=UTC)
"""The earliest time that is allowed in a history file and in its replay. A history may be older than any service."""


def floor_hour(moment: datetime) -> datetime:
    """The beginning of the hour of a moment, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def floor_day(moment: datetime) -> datetime:
    """The beginning of the day of a moment, which is 00:00 UTC.

    >>> floor_day(datetime.fromisoformat("2011-02-17T01:30:00+02:00")).isoformat()
    '2011-02-16T00:00:00+00:00'
    """
    return floor_hour(moment).replace(hour=0)


def floor_month(moment: datetime) -> datetime:
    """The beginning of the month of a moment, in UTC."""
    return floor_day(moment).replace(day=1)


def count_days(moment: datetime) -> int:
    """The number of whole days between `EPOCH` and a moment."""
    return (moment - EPOCH) // DAY
