"""The period of a view, as addresses name it."""

from datetime import UTC, datetime, timedelta

import pytest

from cyclone.page.period import DEFAULT_DAYS, MOST_DAYS, read_period
from cyclone.page.scales import find_top, mark_days
from cyclone.times import DAY

NOW = datetime(2026, 11, 30, 21, 5, tzinfo=UTC)


def test_two_days_are_both_part_of_the_period_and_links_keep_it() -> None:
    period = read_period("2026-03-01", "2026-03-31", "", NOW)
    assert (period.since, period.until) == (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    assert period.query == "since=2026-03-01&until=2026-03-31"
    assert read_period("2026-03-01", "2026-03-31", "", NOW) == period


def test_a_number_of_days_ends_with_the_present_day() -> None:
    period = read_period("", "", "30", NOW)
    assert period.until == datetime(2026, 12, 1, tzinfo=UTC)
    assert (period.length, period.query) == (30 * DAY, "days=30")


def test_a_present_at_midnight_begins_no_empty_day() -> None:
    assert read_period("", "", "7", datetime(2026, 11, 30, tzinfo=UTC)).until == datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        ("yesterday", "", ""),
        ("2026-03-31", "2026-03-01", ""),
        ("2026-02-30", "2026-03-01", ""),
        ("0001-01-01", "", ""),
        ("", "9999-12-31", ""),
        ("2010-01-01", "2026-01-01", ""),
        ("<script>", "", ""),
        ("", "", "0"),
        ("", "", "-7"),
        ("", "", "seven"),
        ("", "", "²"),
        ("", "", str(MOST_DAYS + 1)),
        ("", "", "9" * 5000),
    ],
)
def test_what_is_no_period_is_told_and_the_last_quarter_is_shown(since: str, until: str, days: str) -> None:
    period = read_period(since, until, days, NOW)
    assert period.fault
    assert len(period.fault) < 120
    assert period.length == DEFAULT_DAYS * DAY


@pytest.mark.parametrize("days", [1, 2, 7, 14, 30, 90, 365, MOST_DAYS])
def test_the_marks_of_an_axis_are_few_and_within_it(days: int) -> None:
    marks = mark_days(read_period("", "", str(days), NOW))
    assert 1 <= len(marks) <= 10
    assert all(0 <= mark.place < 100 for mark in marks)
    assert [mark.place for mark in marks] == sorted({mark.place for mark in marks})


@pytest.mark.parametrize("highest", [1e-9, 0.03, 0.65, 1, 9.99, 12.03, 1e6, 3.3e12])
def test_the_highest_number_is_below_the_top_of_the_axis_and_uses_most_of_it(highest: float) -> None:
    top, numbers = find_top([highest / 2, highest, float("inf")])
    assert highest <= top * (1 + 1e-9)
    assert top < 1.7 * highest
    assert (numbers[0], numbers[-1], len(numbers)) == (0, top, 5)


def test_an_axis_without_any_number_has_two_marks() -> None:
    assert find_top([]) == (1.0, [0.0, 1.0])
    assert find_top([0.0]) == (1.0, [0.0, 1.0])


def test_a_moment_outside_the_period_is_at_its_edge() -> None:
    period = read_period("", "", "7", NOW)
    assert period.find_place(period.since - timedelta(days=400)) == 0
    assert period.find_place(period.until + DAY) == 100
