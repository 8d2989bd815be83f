from datetime import UTC, datetime, timedelta

import pytest

from cyclone.rollups import Hour, find_level, join_hours

NOON = datetime(2011, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_hours_that_are_counted_alike_are_one_stretch() -> None:
    news = [Hour(NOON + offset * HOUR, level=0, is_recounted=False) for offset in (6, 0, 1)]
    sampled = Hour(NOON + 7 * HOUR, level=2, is_recounted=False)
    assert join_hours([*news, sampled]) == [(news[1], NOON + 7 * HOUR), (sampled, NOON + 8 * HOUR)]


def test_hours_that_are_recounted_are_joined_without_gaps_only() -> None:
    hours = [Hour(NOON + offset * HOUR, level=1, is_recounted=True) for offset in (5, 0, 1)]
    assert join_hours(hours) == [(hours[1], NOON + 2 * HOUR), (hours[0], NOON + 6 * HOUR)]


def test_no_hours_are_no_stretch() -> None:
    assert join_hours([]) == []


@pytest.mark.parametrize(("rows", "level"), [(0, 0), (1, 0), (100, 0), (101, 1), (200, 1), (201, 2), (401, 3)])
def test_a_level_halves_the_sample_until_it_is_within_the_limit(rows: int, level: int) -> None:
    assert find_level(rows, limit=100) == level
    assert rows <= 100 << level
