"""The figures of `make bench-policy`, from backtests and worlds whose numbers are known."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.policy.figures import (
    COSTS,
    SetResult,
    ShuffledWorld,
    WorldResult,
    compute_figures,
    find_cost_ratios,
    find_stationary_rates,
)
from training.backtest.hindsight import Hindsight
from training.backtest.run import EQUAL_COUNT, Backtest
from training.backtest.walk import Retraining, Run

START = 10
DAYS = 100


def build_run(error: float, *days: int, useless: int = 0) -> Run:
    """A run with one row. Its first `useless` retrainings have no gain."""
    made = [
        Retraining(day, "because", True, "passed", 0, 0.0 if place < useless else 1.0) for place, day in enumerate(days)
    ]
    return Run(np.array([error]), made)


def build_set(own: Run, equal: float, task: str = "regression") -> SetResult:
    """A data set of 100 days. Weekly retraining has the error 2 with 10 retrainings, and never has 4."""
    history: Any = SimpleNamespace(spec=SimpleNamespace(name="m", task=task), day_count=START + DAYS)
    peers = {
        EQUAL_COUNT: build_run(equal, *range(len(own.retrainings))),
        "never": build_run(4.0),
        "monthly": build_run(3.0, 1, 2, 3),
        "weekly": build_run(2.0, *range(10)),
    }
    hindsight = Hindsight(7, (4.0, 2.5, 1.8), ((), (20,), (20, 30)))
    policy: Any = own
    shuffled = ShuffledWorld(build_run(1.0, 20, 105), build_run(1.5), 30.0, DAYS)
    return SetResult(Backtest(history, START, policy, peers, {1: 3.5}, hindsight, []), (shuffled,))


def build_world(name: str, own: Run) -> WorldResult:
    return WorldResult(name, "binary", own, {0: 4.0, 10: 2.0}, 2.0, START, DAYS)


def test_costs_are_in_days_of_weekly_errors_and_beside_the_best_choice_for_each_cost() -> None:
    test = build_set(build_run(2.2, 30, 40), equal=2.0).backtest
    # The policy: 220 and 2 for each retraining and unit. Weekly: 200 and 10 of them. In hindsight: 180 and two of them.
    assert find_cost_ratios(test, 0.25) == pytest.approx((221 / 181, 221 / 201))
    assert find_cost_ratios(test, 4.0) == pytest.approx((236 / 196, 236 / 216))
    assert find_cost_ratios(test, 100.0) == pytest.approx((620 / 400, 620 / 400))


def test_each_figure_is_what_it_says() -> None:
    sets = [
        build_set(build_run(2.2, 30, 40, useless=1), equal=2.0),
        build_set(build_run(1.8, 30, 40), equal=2.0, task="binary"),
    ]
    worlds = [
        build_world("abrupt", build_run(2.3, 20)),
        build_world("gradual", build_run(3.9, 20)),
        build_world("gradual", build_run(2.0, 20)),
        build_world("nothing", build_run(1.0, 20, 105, 106)),
    ]
    figures = compute_figures(sets, worlds)
    costs = [find_cost_ratios(item.backtest, cost) for item in sets for cost in COSTS]
    means = np.exp(np.log(np.array(costs)).mean(axis=0))
    assert figures == {
        "equal_count_ratio_geomean": round(float(np.sqrt(1.1 * 0.9)), 4),
        "equal_count_ratio_worst": 1.1,
        "cost_against_hindsight": round(float(means[0]), 4),
        "cost_against_best_calendar": round(float(means[1]), 4),
        "weekly_ratio_worst": 1.1,
        "retrainings_share_of_weekly": 0.2,
        "stationary_triggers_per_year_max": round(365 * 3 / 20, 4),  # binary: 1 and 2 in ten days each, after day 100
        "gradual_worlds_won": 0.5,
        "abrupt_worlds_won": 0.0,  # 232 beside 220
        "useless_retrainings_share": 0.25,
    }


def test_retrainings_of_the_first_three_months_are_no_false_ones() -> None:
    rates = find_stationary_rates([], [build_world("nothing", build_run(1.0, START + 89))])
    assert rates == {"binary": 0.0}


def test_without_retrainings_no_share_of_them_is_useless() -> None:
    sets = [build_set(build_run(4.0), equal=4.0)]
    worlds = [build_world(name, build_run(1.0)) for name in ("abrupt", "gradual", "nothing")]
    assert compute_figures(sets, worlds)["useless_retrainings_share"] is None


def test_a_world_of_shuffled_days_costs_its_errors_and_its_retrainings_beside_never() -> None:
    world = ShuffledWorld(build_run(1.0, 20, 105), build_run(1.5), price=30.0, days=DAYS)
    assert world.cost_ratio == pytest.approx((100 + 2 * 30) / 150)
