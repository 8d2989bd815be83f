import doctest
from typing import Any

import numpy as np
import pytest

import training.gate_rules
from cyclone.sections import Retrain
from cyclone.spec import ModelSpec
from training.gate_rules import PairedLosses, compare, judge, pass_first

DAYS = np.repeat(np.arange(5), 24)


def configure(spec: ModelSpec, **retrain: Any) -> ModelSpec:
    return spec.model_copy(update={"retrain": Retrain.model_validate(retrain)})


def build_losses(factor: float, noise: float = 0.0, slices: dict[str, Any] | None = None) -> PairedLosses:
    """The challenger's losses are `factor` times the champion's, give or take `noise` a day."""
    rng = np.random.default_rng(3)
    champion = rng.uniform(5, 15, len(DAYS))
    factors = factor + np.linspace(-noise, noise, 5)[DAYS]
    return PairedLosses(DAYS, champion, champion * factors, slices or {})


def test_the_examples_hold() -> None:
    assert doctest.testmod(training.gate_rules).failed == 0


def test_without_a_champion_any_challenger_passes() -> None:
    decision = pass_first(99.0, 72)
    assert decision.passed
    assert decision.reason == "there is no champion to compare with"


@pytest.mark.parametrize(
    ("factor", "noise", "refuted", "proven"),
    [
        (0.8, 0.0, True, True),
        (1.0, 0.0, True, True),
        (1.015, 0.0, True, True),
        (1.03, 0.0, False, False),
        (1.0, 0.5, True, False),
        (1.5, 0.1, False, False),
        (1.1, 0.5, True, False),
    ],
)
def test_a_challenger_is_refused_when_shown_to_be_worse_or_when_it_must_prove_that_it_is_not(
    bike_demand: ModelSpec, factor: float, noise: float, refuted: bool, proven: bool
) -> None:
    losses = build_losses(factor, noise)
    assert judge(configure(bike_demand, gate_rule="refute"), losses).passed is refuted
    assert judge(configure(bike_demand, gate_rule="prove"), losses).passed is proven


def test_the_margin_is_configuration(bike_demand: ModelSpec) -> None:
    losses = build_losses(1.1)
    assert not judge(configure(bike_demand, gate_margin=0.09), losses).passed
    assert judge(configure(bike_demand, gate_margin=0.11), losses).passed


def test_a_reason_has_both_errors_the_bounds_and_the_rule(bike_demand: ModelSpec) -> None:
    losses = PairedLosses(DAYS, np.full(120, 10.0), np.full(120, 12.5), {})
    assert judge(bike_demand, losses).reason == (
        "error 12.5 against the champion's 10 on 120 rows of 5 days: 1.25 × (1.25 to 1.25);"
        " shown to be more than 2 % worse"
    )


def test_one_lucky_day_widens_the_bounds() -> None:
    steady = compare(DAYS, np.full(120, 10.0), np.full(120, 9.0))
    lucky = compare(DAYS, np.full(120, 10.0), np.where(DAYS == 0, 5.0, 10.0))
    assert (steady.lower, steady.ratio, steady.upper) == pytest.approx((0.9, 0.9, 0.9))
    assert lucky.ratio == pytest.approx(0.9)
    assert lucky.lower < 0.9 < lucky.upper == pytest.approx(1.0)


def test_rows_of_a_day_stay_together() -> None:
    """Drawn row by row, the bounds of the same losses would be far closer."""
    by_day = compare(DAYS, np.full(120, 10.0), np.where(DAYS < 2, 5.0, 12.0))
    by_row = compare(np.arange(120), np.full(120, 10.0), np.where(DAYS < 2, 5.0, 12.0))
    assert by_day.upper - by_day.lower > 2 * (by_row.upper - by_row.lower)


def test_a_slice_that_got_worse_refuses_what_is_better_on_the_whole(bike_demand: ModelSpec) -> None:
    weather = np.where(np.arange(120) % 4 == 0, "rain", "clear")
    champion = np.full(120, 10.0)
    losses = PairedLosses(DAYS, champion, np.where(weather == "rain", 12.0, 7.0), {"weather": weather})
    decision = judge(configure(bike_demand, slices=["weather"]), losses)
    assert not decision.passed
    assert decision.reason.endswith("shown to be more than 10 % worse where weather=rain (1.2 × on 30 rows)")
    assert decision.slices is not None
    assert set(decision.slices) == {"weather=clear", "weather=rain"}
    assert judge(configure(bike_demand, slices=["weather"], slice_margin=0.25), losses).passed


def test_a_slice_of_few_rows_says_nothing(bike_demand: ModelSpec) -> None:
    holiday = np.arange(120) < 19
    losses = PairedLosses(DAYS, np.full(120, 10.0), np.where(holiday, 90.0, 1.0), {"holiday": holiday})
    assert judge(configure(bike_demand, slices=["holiday"]), losses).passed


def test_a_champion_without_any_error_is_hard_to_beat(bike_demand: ModelSpec) -> None:
    perfect = PairedLosses(DAYS, np.zeros(120), np.zeros(120), {})
    assert judge(bike_demand, perfect).passed
    assert not judge(bike_demand, PairedLosses(DAYS, np.zeros(120), np.ones(120), {})).passed
