"""False drift alarms in a few simulated years. `benchmarks.monitoring_alarms` measures the promised rate in many."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.monitoring_reference import WINDOW_DAYS, build_reference
from benchmarks.monitoring_series import (
    SPEC,
    WORLDS,
    YEAR,
    Series,
    draw_numbers,
    find_alarms,
    make_frame,
    measure_series,
    predict_mean,
)
from cyclone.checks.chance import alpha_of_window


def count_alarm_days(series: Series, seed: int) -> int:
    """The days with an alarm in a year of `measure_series`, by the limits of independent rows.

    Before these are found, the rows of the reference change places between its days. The reference itself and the year
    stay the same.
    """
    rng = np.random.default_rng(seed)
    numbers = draw_numbers(series, series.reference_days + YEAR + WINDOW_DAYS - 1, rng)
    trained, later = (make_frame(part) for part in np.split(numbers, [series.reference_days]))
    mixed = trained.assign(created_at=rng.permutation(trained["created_at"]))
    reference = build_reference(SPEC, mixed, predict_mean(mixed), alpha_of_window(SPEC.monitor.alpha))
    return int(find_alarms(reference, later).sum())


@pytest.mark.parametrize("world", ["days_alike_60", "memory_07_180"])
def test_two_years_that_limits_of_single_rows_alarm_in_are_quiet_by_the_limits_of_days(world: str) -> None:
    assert min(count_alarm_days(WORLDS[world], seed) for seed in range(2)) > 50
    assert measure_series(WORLDS[world], years=2, shifts=()).alarm_days.value == 0


def test_two_years_of_numbers_without_bounds_or_variance_are_quiet_and_their_shifts_are_found() -> None:
    found = measure_series(WORLDS["student_rows_60"], years=2, shifts=["1 sd"])
    assert found.alarm_days.value == 0
    share, delay = found.shifts["1 sd"]
    assert share.value == 1
    assert delay <= 6


def test_a_year_that_leaves_the_reference_is_found() -> None:
    """Half a season is no reference for the other half: the measurement above can see an alarm."""
    season: Series = replace(WORLDS["half_season_180"], reference_days=60)
    assert measure_series(season, years=2, shifts=()).alarm_days.value > 20
