from datetime import UTC, datetime, timedelta

import pytest

from cyclone.checks import CheckResult, floor_to_hour, format_verdicts, judge

END = datetime(2011, 3, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "sample_size", "verdict"),
    [
        (0.21, 150, "failed"),
        (0.2, 150, "passed"),
        (0.0, 150, "passed"),
        (9.9, 149, "no_data"),
        (None, 150, "no_data"),
        (float("nan"), 150, "no_data"),
    ],
)
def test_a_value_above_the_limit_fails_when_there_are_enough_samples(
    value: float | None, sample_size: int, verdict: str
) -> None:
    assert judge(value, sample_size, limit=0.2, minimum_samples=150) == verdict


def test_an_hour_that_is_not_over_is_left_out_in_any_time_zone() -> None:
    india = datetime.fromisoformat("2011-03-08T11:00+05:30")
    assert floor_to_hour(india) == datetime(2011, 3, 8, 5, tzinfo=UTC)


def test_verdicts_read_as_a_plain_table() -> None:
    results = [
        CheckResult(
            "error", "mean_absolute_error", "all", 3, 61.23456, 2.5, 168, 36.15, "failed", END - timedelta(7), END
        ),
        CheckResult("drift", "population_stability", "wind", 3, None, None, 0, 0.2, "no_data", END - timedelta(7), END),
    ]
    lines = format_verdicts(results).splitlines()
    assert lines[0] == "version 3, up to 2011-03-08 00:00 UTC"
    assert lines[1].split() == ["check", "subject", "value", "±", "error", "limit", "samples", "days", "verdict"]
    assert lines[3].split() == ["mean_absolute_error", "all", "61.23", "2.5", "36.15", "168", "7", "failed"]
    assert lines[4].split() == ["population_stability", "wind", "-", "-", "0.2", "0", "7", "no_data"]
    assert "\x1b" not in "".join(lines)


def test_no_verdicts_say_why() -> None:
    assert format_verdicts([]) == "nothing to check: no version served at the end of the window"
