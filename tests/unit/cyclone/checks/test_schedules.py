"""The longest gap of a schedule, as a monitor's alert counts it."""

from datetime import timedelta

import pytest

from cyclone.checks.schedules import find_longest_gap


@pytest.mark.parametrize(
    ("schedule", "gap"),
    [
        ("*/5 * * * *", timedelta(minutes=5)),
        ("*/25 * * * *", timedelta(minutes=25)),
        ("7 * * * *", timedelta(hours=1)),
        ("0 0 * * *", timedelta(days=1)),
        ("30 6,18 * * *", timedelta(hours=12)),
        ("*/10 9-17 * * *", timedelta(hours=15, minutes=10)),
        ("0 12 * * 1-5", timedelta(days=3)),
        ("0 12 * * 0", timedelta(days=7)),
        ("0 12 * * 7", timedelta(days=7)),
        ("0 0 1 * *", timedelta(days=31)),
        ("0 0 1 1 *", timedelta(days=366)),
        ("0 0 1 * 1", timedelta(days=7)),
        ("0 0 29 2 *", timedelta(days=1461)),
        ("0 0 31 2 *", timedelta(days=8 * 366)),
    ],
)
def test_the_longest_gap_of_a_schedule(schedule: str, gap: timedelta) -> None:
    assert find_longest_gap(schedule) == gap
