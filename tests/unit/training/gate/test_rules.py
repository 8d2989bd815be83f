import doctest
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp  # type: ignore[import-untyped, unused-ignore]

import training.gate.rules
from cyclone.error_ratio import compare_days
from cyclone.sections import Retrain
from cyclone.spec import ModelSpec
from training.gate.rules import CONFIDENCE, PairedLosses, judge, pass_first

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
    assert doctest.testmod(training.gate.rules).failed == 0


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
        "error 12.5 against the champion's 10 on 120 rows of 5 days: 1.25 × (1.25 to 1.25),"
        " shown to be more than 2 % worse"
    )


def test_one_day_shows_nothing(bike_demand: ModelSpec) -> None:
    losses = PairedLosses(np.zeros(24), np.full(24, 10.0), np.full(24, 30.0), {})
    decisions = {rule: judge(configure(bike_demand, gate_rule=rule), losses) for rule in ("refute", "prove")}
    assert {rule: decision.passed for rule, decision in decisions.items()} == {"refute": True, "prove": False}
    better = PairedLosses(losses.day, losses.challenger, losses.champion, {})
    assert not judge(configure(bike_demand, gate_rule="prove"), better).passed


@pytest.mark.parametrize("days", [5, 7, 14])
@pytest.mark.parametrize(("kind", "most"), [("alike", 0.07), ("heavy", 0.07), ("autocorrelated", 0.11)])
def test_a_challenger_at_the_margin_proves_itself_as_seldom_as_promised(
    bike_demand: ModelSpec, days: int, kind: str, most: float
) -> None:
    """Each draw is worse by exactly the margin. Bounds of 95 % let 5 % of them pass, and 600 draws show up to 7 %.

    Where a third of a day's chance carries over to the next, 8 % pass.
    """
    rng = np.random.default_rng(5)
    spec = configure(bike_demand, gate_rule="prove", gate_margin=0.02)
    passed = sum(judge(spec, draw_at_margin(rng, days, kind)).passed for _ in range(600))
    assert passed <= most * 600


def draw_at_margin(rng: np.random.Generator, days: int, kind: str) -> PairedLosses:
    """Losses of two models whose days have chances of their own, as days of both worlds do."""
    day = np.repeat(np.arange(days), 24)
    steps = rng.standard_t(3, (2, days)) if kind == "heavy" else rng.normal(0, 1, (2, days))
    if kind == "autocorrelated":
        for place in range(1, days):
            steps[:, place] = 0.3 * steps[:, place - 1] + 0.95 * steps[:, place]
    own = 10 + np.clip(2 * steps, -9, 9)
    noise = rng.gamma(1, 1, (2, len(day)))
    return PairedLosses(day, own[0][day] * noise[0], 1.02 * own[1][day] * noise[1], {})


def test_a_champion_whose_days_differ_wildly_hides_no_challenger_that_is_far_worse(bike_demand: ModelSpec) -> None:
    day = np.repeat(np.arange(3), 24)
    champion = np.array([40.0, 0.5, 0.5])[day]
    decision = judge(bike_demand, PairedLosses(day, champion, np.full(72, 1000.0), {}))
    assert not decision.passed
    assert decision.ratio_lower == pytest.approx(19, abs=1)  # 1000 over the champion's mean of 13.7 and its chance


def test_one_lucky_day_widens_the_bounds() -> None:
    steady = compare_days(DAYS, np.full(120, 10.0), np.full(120, 9.0), CONFIDENCE)
    lucky = compare_days(DAYS, np.full(120, 10.0), np.where(DAYS == 0, 5.0, 10.0), CONFIDENCE)
    assert (steady.lower, steady.ratio, steady.upper) == pytest.approx((0.9, 0.9, 0.9))
    assert lucky.ratio == pytest.approx(0.9)
    assert lucky.lower < 0.8 < 1.1 < lucky.upper


def test_rows_of_a_day_stay_together() -> None:
    """Row by row, the bounds of the same losses would be far closer."""
    by_day = compare_days(DAYS, np.full(120, 10.0), np.where(DAYS < 2, 5.0, 12.0), CONFIDENCE)
    by_row = compare_days(np.arange(120), np.full(120, 10.0), np.where(DAYS < 2, 5.0, 12.0), CONFIDENCE)
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


def test_slices_of_few_rows_or_days_are_named_and_not_judged(bike_demand: ModelSpec) -> None:
    place = np.arange(120)
    slices = {"holiday": place >= 96, "storm": place % 24 == 0}
    is_bad = slices["holiday"] | slices["storm"]
    losses = PairedLosses(DAYS, np.full(120, 10.0), np.where(is_bad, 13.0, 8.0), slices)
    decision = judge(configure(bike_demand, slices=["holiday", "storm"]), losses)
    assert decision.passed
    assert decision.unjudged == {"holiday=True": "24 rows of 1 day", "storm=True": "5 rows of 5 days"}
    assert set(decision.slices or {}) == {"holiday=False", "storm=False"}
    assert decision.reason.endswith(". Not judged: 2 slices of fewer than 20 rows or 3 days")


def test_the_bound_of_a_slice_is_that_of_students_test_on_its_days() -> None:
    """Days of equal champion sums: there the ratio is a mean of days."""
    errors = np.array([1.3, 1.1, 1.6, 1.2])
    found = compare_days(np.arange(4), np.ones(4), errors, 0.99)
    sure = ttest_1samp(errors, 0, alternative="greater").confidence_interval(0.99)
    assert found.lower == pytest.approx(sure.low)
    assert compare_days(np.arange(4), np.zeros(4), errors, 0.99).lower == 1e9


def test_a_challenger_like_the_champion_is_seldom_refused_however_many_slices_are_looked_at(
    bike_demand: ModelSpec,
) -> None:
    """Two draws of the same losses, five days, nine slices or so: with a bound of 95 % for each, most are refused."""
    rng = np.random.default_rng(7)
    spec = configure(bike_demand, slices=["weather", "holiday", "part", "weekday"])
    decisions = [judge(spec, draw_alike(rng)) for _ in range(200)]
    assert sum("worse where" in item.reason for item in decisions) <= 0.03 * 200
    assert sum(not item.passed for item in decisions) <= 0.1 * 200
    assert np.mean([len(item.slices or {}) for item in decisions]) > 8


def draw_alike(rng: np.random.Generator) -> PairedLosses:
    base = rng.gamma(4, 2.5, 120)
    champion, challenger = (base * np.exp(rng.normal(0, 0.1, 5)[DAYS] + rng.normal(0, 1, 120)) for _ in range(2))
    place = np.arange(120)
    slices = {
        "weather": np.repeat(rng.choice(3, p=[0.65, 0.25, 0.1], size=20), 6),
        "holiday": rng.integers(5) == DAYS,
        "part": place % 24 // 4,
        "weekday": DAYS,
    }
    return PairedLosses(DAYS, champion, challenger, slices)


def test_a_slice_that_is_clearly_worse_is_found_among_many(bike_demand: ModelSpec) -> None:
    rng = np.random.default_rng(7)
    part = np.arange(120) % 24 // 4
    champion = rng.uniform(5, 15, 120)
    challenger = champion * np.where(part == 2, 2.0, 0.9) * rng.uniform(0.8, 1.2, 120)
    decision = judge(configure(bike_demand, slices=["part"]), PairedLosses(DAYS, champion, challenger, {"part": part}))
    assert not decision.passed
    assert "worse where part=2 (" in decision.reason


def test_a_champion_without_any_error_is_hard_to_beat(bike_demand: ModelSpec) -> None:
    perfect = PairedLosses(DAYS, np.zeros(120), np.zeros(120), {})
    assert judge(bike_demand, perfect).passed
    assert not judge(bike_demand, PairedLosses(DAYS, np.zeros(120), np.ones(120), {})).passed
