"""What windows of a reference's own days say of chance."""

import numpy as np
import pandas as pd
import pytest

from cyclone.checks.chance import compute_p_value
from cyclone.checks.distances import DISTANCES, measure_distance
from cyclone.spec import ModelSpec
from training.fit.null_distributions import build_nulls, count_days, find_null
from training.fit.profile import Subject, build_profile

HOURS = pd.Series(pd.date_range("2011-01-01", periods=24 * 90, freq="h", tz="UTC"))
DAY = np.repeat(np.arange(90), 24)


def spec_of(name: str, calendar: bool = False) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "toy",
            "task": "regression",
            "features": [{"name": name, "type": "number", "nullable": True, "calendar": calendar}],
            "label": {"name": "y", "type": "number", "expected_delay_hours": 0},
        }
    )


def profile(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Subject:
    return build_profile(spec_of("x"), pd.DataFrame({"x": values}), values)[0]


def test_independent_rows_stray_as_far_as_theory_says_and_no_tail_is_lighter() -> None:
    null = find_null("population_stability", *count_days(profile(np.random.default_rng(1).random(2160)), DAY), 7)
    assert null is not None
    assert null.expected == pytest.approx(14 * (1 / 168 + 1 / 2160), rel=0.15)
    assert 8 < null.freedom < 14


def test_a_short_reference_of_days_that_are_alike_is_not_taken_for_one_of_independent_rows() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=30)[DAY[: 24 * 30]] + rng.normal(size=24 * 30)
        bins, counts = count_days(profile(values), DAY[: 24 * 30])
        null = find_null("wasserstein", bins, counts, 7)
        assert null is not None
        # The variance of a week's mean is (1 / 7 + 1 / 30) days' plus (1 / 168 + 1 / 720) rows': 22 times the rows'.
        assert null.expected > 3 * 0.5 * (1 / 168 + 1 / 720)
        assert null.days in (4, 30)


def test_days_that_are_alike_within_stray_further_and_fall_under_no_alarm() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=90)[DAY] + 0.3 * rng.normal(size=2160)
    bins, counts = count_days(profile(values), DAY)
    null = find_null("population_stability", bins, counts, 7)
    assert null is not None
    assert null.days in (90, 12)
    assert null.expected > 5 * 14 * (1 / 168 + 1 / 2160)
    alarms = []
    for _ in range(300):
        chosen = rng.permutation(90)
        window, rest = counts[chosen[:7]].sum(axis=0), counts[chosen[7:]].sum(axis=0)
        value = float(measure_distance("population_stability", bins, window, rest))
        alarms.append(compute_p_value("population_stability", value, 168, 7, null) < 0.05)
    assert np.mean(alarms) < 0.1


def test_a_season_counts_as_chance() -> None:
    rng = np.random.default_rng(3)
    days = np.arange(90)
    season = np.sin(2 * np.pi * days / 90)[DAY] + 0.3 * rng.normal(size=2160)
    shuffled = np.sin(2 * np.pi * rng.permutation(days) / 90)[DAY] + 0.3 * rng.normal(size=2160)
    in_a_row, mixed = (
        find_null("population_stability", *count_days(profile(values), DAY), 7) for values in (season, shuffled)
    )
    assert in_a_row is not None
    assert mixed is not None
    assert in_a_row.expected > 2 * mixed.expected


def test_what_was_never_missing_may_be_so_once() -> None:
    bins, counts = count_days(profile(np.random.default_rng(4).random(2160)), DAY)
    null = find_null("missing_share", bins, counts, 7)
    assert null is not None
    assert compute_p_value("missing_share", 1 / 168, 168, 7, null) > 1e-3
    assert compute_p_value("missing_share", 10 / 168, 168, 7, null) < 1e-6


def test_every_check_knows_its_chance_but_on_the_calendar_and_on_one_day() -> None:
    values = np.random.default_rng(5).random(2160)
    frame = pd.DataFrame({"x": values})
    found = build_nulls(spec_of("x"), build_profile(spec_of("x"), frame, values), HOURS)
    assert {(item.check_name, item.subject) for item in found} >= {(check, "x") for check in DISTANCES}
    calendar = spec_of("x", calendar=True)
    assert {item.subject for item in build_nulls(calendar, build_profile(calendar, frame, values), HOURS)} == {
        "prediction"
    }
    short = build_nulls(spec_of("x"), build_profile(spec_of("x"), frame[:24], values[:24]), HOURS[:24])
    assert {(item.null.days, item.null.window_days) for item in short} == {(None, 1)}


@pytest.mark.parametrize("check", [name for name in DISTANCES if name != "outside_share"])
@pytest.mark.parametrize("number", [0.0, 5.0, -1.7e308, 1.7976931348623157e308, 5e-324])
def test_chance_is_known_where_the_reference_is_a_constant(check: str, number: float) -> None:
    bins, counts = count_days(profile(np.full(2160, number)), DAY)
    null = find_null(check, bins, counts, 7)
    assert null is not None
    moved = np.array([0, 0, 168] + [0] * (len(bins.bin) - 3))  # all rows lie below the constant
    expected = counts.sum(axis=0)
    value = measure_distance(check, bins, moved, expected)
    same = measure_distance(check, bins, expected, expected)
    if check in ("missing_share", "unknown_share"):
        assert float(value) == 0
    else:
        assert compute_p_value(check, float(value), 168, 7, null) < 1e-6
    assert compute_p_value(check, float(same), 168, 7, null) > 0.05
