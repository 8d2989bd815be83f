from datetime import UTC, datetime, timedelta

import pytest

from cyclone.checks.rollups import Hour, find_level, join_hours

NOON = datetime(2011, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_hours_of_a_level_without_a_gap_are_one_stretch() -> None:
    hours = [Hour(NOON + offset * HOUR, level=1) for offset in (6, 1, 0, 5)]
    other = Hour(NOON + 2 * HOUR, level=2)
    assert join_hours([*hours, other]) == [
        (hours[2], NOON + 2 * HOUR),
        (other, NOON + 3 * HOUR),
        (hours[3], NOON + 7 * HOUR),
    ]


def test_no_hours_are_no_stretch() -> None:
    assert join_hours([]) == []


@pytest.mark.parametrize(("rows", "level"), [(0, 0), (1, 0), (100, 0), (101, 1), (200, 1), (201, 2), (401, 3)])
def test_a_level_halves_the_sample_until_it_is_within_the_limit(rows: int, level: int) -> None:
    assert find_level(rows, limit=100) == level
    assert rows <= 100 << level
