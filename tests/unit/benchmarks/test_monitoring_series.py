"""False drift alarms in simulated years, at a small size. `benchmarks.monitoring_alarms` measures the promised rate."""

from dataclasses import replace

from benchmarks.monitoring_series import WORLDS, Series, measure_series


def test_days_that_are_alike_raise_no_alarm_in_years_in_which_nothing_changes() -> None:
    assert measure_series(WORLDS["days_alike_60"], years=2, shifts=()).alarm_days.value == 0


def test_days_that_follow_each_other_raise_no_alarm_in_years_in_which_nothing_changes() -> None:
    assert measure_series(WORLDS["memory_07_180"], years=2, shifts=()).alarm_days.value == 0


def test_numbers_without_bounds_or_variance_raise_no_alarm_and_their_shifts_are_found() -> None:
    found = measure_series(WORLDS["student_rows_60"], years=2, shifts=["1 sd"])
    assert found.alarm_days.value == 0
    share, delay = found.shifts["1 sd"]
    assert share.value == 1
    assert delay <= 6


def test_a_year_that_leaves_the_reference_is_found() -> None:
    """Half a season is no reference for the other half: the measurement above can see an alarm."""
    season: Series = replace(WORLDS["half_season_180"], reference_days=60)
    assert measure_series(season, years=2, shifts=()).alarm_days.value > 20
