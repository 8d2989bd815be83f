from datetime import UTC, datetime, timedelta

from cyclone.checks.evaluation import find_window_end
from cyclone.checks.verdict_table import format_verdicts
from cyclone.checks.verdicts import CheckResult

END = datetime(2011, 3, 8, tzinfo=UTC)


def test_windows_end_with_a_whole_day_and_those_of_service_with_an_hour() -> None:
    india = datetime.fromisoformat("2011-03-08T11:00+05:30")
    assert find_window_end("service", india) == datetime(2011, 3, 8, 5, tzinfo=UTC)
    assert find_window_end("drift", india) == find_window_end("error", india) == datetime(2011, 3, 8, tzinfo=UTC)


def test_verdicts_read_as_a_plain_table() -> None:
    results = [
        CheckResult(
            "error", "mean_absolute_error", "all", 3, 61.23456, 2.5, 168, 36.15, "failed", END - timedelta(7), END
        ),
        CheckResult(
            "drift", "population_stability", "wind[kmh]", 3, None, None, 0, 0.2, "no_data", END - timedelta(7), END
        ),
    ]
    lines = format_verdicts(results).splitlines()
    assert lines[0] == "version 3, up to 2011-03-08 00:00 UTC"
    assert lines[1].split() == ["check", "subject", "value", "±", "error", "limit", "p", "samples", "days", "verdict"]
    assert lines[3].split() == ["mean_absolute_error", "all", "61.23", "2.5", "36.15", "-", "168", "7", "failed"]
    assert lines[4].split() == ["population_stability", "wind[kmh]", "-", "-", "0.2", "-", "0", "7", "no_data"]
    assert "\x1b" not in "".join(lines)


def test_no_verdicts_say_why() -> None:
    assert format_verdicts([]) == "nothing to check: no version served at the end of the window"
