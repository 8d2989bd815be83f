from datetime import UTC, datetime, timedelta

from cyclone.rollups import join_hours

NOON = datetime(2011, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_hours_without_a_gap_are_one_stretch() -> None:
    hours = [NOON + offset * HOUR for offset in (6, 1, 0, 2, 5)]
    assert join_hours(hours) == [(NOON, NOON + 3 * HOUR), (NOON + 5 * HOUR, NOON + 7 * HOUR)]


def test_no_hours_are_no_stretch() -> None:
    assert join_hours([]) == []
