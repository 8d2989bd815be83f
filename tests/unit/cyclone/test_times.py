import doctest
from datetime import UTC, datetime, timedelta

import cyclone.times
from cyclone.times import EPOCH, count_days, floor_day, floor_hour, floor_month

INDIA = datetime.fromisoformat("2011-03-01T02:15:30.5+05:30")
"""20:45 of the last day of February in UTC."""


def test_hours_days_and_months_are_those_of_utc_wherever_the_moment_was_written() -> None:
    assert floor_hour(INDIA) == datetime(2011, 2, 28, 20, tzinfo=UTC)
    assert floor_day(INDIA) == datetime(2011, 2, 28, tzinfo=UTC)
    assert floor_month(INDIA) == datetime(2011, 2, 1, tzinfo=UTC)
    assert all(floor(INDIA).utcoffset() == timedelta(0) for floor in (floor_hour, floor_day, floor_month))


def test_days_are_counted_from_1970_and_the_one_before_is_negative() -> None:
    assert count_days(EPOCH) == 0
    assert count_days(INDIA) == 15033
    assert count_days(EPOCH - timedelta(microseconds=1)) == -1


def test_the_example_holds() -> None:
    assert doctest.testmod(cyclone.times).failed == 0
