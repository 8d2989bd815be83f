import doctest
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, f, t  # type: ignore[import-untyped, unused-ignore]

import cyclone.checks.chance
from cyclone.checks.chance import Null, compute_p_value, find_error_limit, find_limit, find_threshold
from cyclone.checks.distances import DISTANCES

BY_ROWS = Null(
    expected=9 * (1 / 200 + 1 / 800), freedom=9, days=None, window_days=7, window_rows=200, reference_rows=800
)


def test_the_examples_hold() -> None:
    assert doctest.testmod(cyclone.checks.chance).failed == 0


def test_a_stability_index_is_corrected_for_what_chance_gives_and_has_a_chi_squared_limit() -> None:
    scale = 1 / 200 + 1 / 800
    assert compute_p_value("population_stability", 0.1, 200, 7, BY_ROWS) == pytest.approx(chi2.sf(0.1 / scale, 9))
    assert compute_p_value("chi_squared", 20.0, 200, 7, BY_ROWS) == pytest.approx(chi2.sf(20, 9))


def test_fewer_rows_or_days_let_chance_go_further_and_more_of_them_do_not_bind_it() -> None:
    assert BY_ROWS.scale(50, 7) == pytest.approx(9 * (1 / 50 + 1 / 800))
    assert BY_ROWS.scale(200, 1) == pytest.approx(7 * BY_ROWS.expected)
    assert BY_ROWS.scale(20_000, 30) == BY_ROWS.expected


def test_what_was_estimated_from_few_days_has_a_heavier_tail() -> None:
    few = replace(BY_ROWS, days=28)
    value = 4 * BY_ROWS.expected
    assert compute_p_value("population_stability", value, 200, 7, few) == pytest.approx(f.sf(4, 9, 9 * 27))


@pytest.mark.parametrize("check", sorted(DISTANCES))
@pytest.mark.parametrize("days", [None, 28])
def test_the_limit_is_where_the_p_value_is_the_threshold(check: str, days: int | None) -> None:
    null = replace(BY_ROWS, days=days)
    limit = find_limit(check, 1e-4, 150, 7, null)
    assert compute_p_value(check, limit, 150, 7, null) == pytest.approx(1e-4, rel=1e-6)


def test_the_false_discovery_threshold_is_that_of_scipy() -> None:
    from scipy.stats import false_discovery_control  # type: ignore[import-untyped, unused-ignore]

    rng = np.random.default_rng(3)
    for _ in range(100):
        values = rng.random(8) ** 4
        fails = values <= find_threshold(list(values), 0.05)
        assert list(fails) == list(false_discovery_control(values) <= 0.05)


def test_an_error_is_above_chance_by_the_days_of_its_window() -> None:
    assert find_error_limit(10, 2.0, 7, 0.05) == pytest.approx(10 + 2 * t.isf(0.05, 6))
    assert find_error_limit(10, None, 7, 0.05) is None
    assert find_error_limit(10, 2.0, 1, 0.05) is None
