import doctest
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import cyclone.policy.refits
from cyclone.policy.decisions import Decision
from cyclone.policy.facts import Evidence, RefitDay, ServingVersion
from cyclone.policy.refits import choose_window, find_excess, pays
from cyclone.policy.rules import decide
from cyclone.sections import Retrain, Window
from cyclone.spec import ModelSpec

DAY = timedelta(days=1)
SINCE = datetime(2011, 2, 1, tzinfo=UTC)
CHAMPION = ServingVersion(3, SINCE + timedelta(hours=5), "mean_absolute_error", accepted_error=10.0)
CALM = "no retraining: version 3 lost"


def score(losses: Sequence[float], version: int = 3, since: datetime = SINCE) -> list[RefitDay]:
    """Days on which a version erred by so much more than refits, whose error was 20."""
    return [RefitDay(since + place * DAY, version, 24, 20 + loss, {None: 20.0}) for place, loss in enumerate(losses)]


def decide_on(spec: ModelSpec, days: Sequence[RefitDay]) -> Decision:
    return decide(spec, Evidence(SINCE + 20 * DAY, CHAMPION, refits=days))


def test_doctests_pass() -> None:
    assert doctest.testmod(cyclone.policy.refits).failed == 0


def test_a_retraining_is_due_once_its_price_is_lost_or_about_to_be(bike_demand: ModelSpec) -> None:
    """2 of 10 a day: with seven days ahead that is 30 after eight days, the price of three accepted errors."""
    words = (
        "version 3 lost {} days of accepted mean_absolute_error to refits in {} days and loses 0.2 a day now:"
        " by 7 days on that is {}, and a retraining costs 3"
    )
    assert decide_on(bike_demand, score([2.0] * 8)) == Decision("retrain", words.format(1.6, 8, 3))
    waiting = decide_on(bike_demand, score([2.0] * 7))
    assert waiting == Decision("wait", f"no retraining: {words.format(1.4, 7, 2.8)}, at this rate one pays in 1 day")


def test_a_jump_is_answered_as_soon_as_it_can_be_judged(bike_demand: ModelSpec) -> None:
    assert decide_on(bike_demand, score([10.0] * 2)).action == "wait"
    assert decide_on(bike_demand, score([10.0] * 3)).should_retrain


@pytest.mark.parametrize("losses", [[0.0] * 300, [-1.0] * 300, [3.0, -3.0] * 150, [50.0] * 3 + [-1.0] * 7])
def test_a_version_that_loses_nothing_now_is_kept(bike_demand: ModelSpec, losses: list[float]) -> None:
    decision = decide_on(bike_demand, score(losses))
    assert decision.action == "wait"
    assert decision.reason.startswith(CALM)


def test_only_days_since_the_release_of_the_version_count() -> None:
    before, other = score([90.0] * 9, since=SINCE - 9 * DAY), score([90.0] * 9, version=2)
    found = find_excess(Retrain(), CHAMPION, [*before, *other, *score([2.0] * 4)])
    assert found is not None
    assert found.days == 4
    assert found.debt == pytest.approx(0.8)


def test_any_loss_is_infinite_where_no_error_was_accepted(bike_demand: ModelSpec) -> None:
    perfect = replace(CHAMPION, accepted_error=0.0)
    assert decide(bike_demand, Evidence(SINCE + 9 * DAY, perfect, refits=score([0.1] * 3))).should_retrain
    assert decide(bike_demand, Evidence(SINCE + 9 * DAY, perfect, refits=score([0.0] * 3))).action == "wait"


def test_a_higher_price_waits_longer(bike_demand: ModelSpec) -> None:
    retrain = bike_demand.retrain.model_copy(update={"cost_days": 30.0})
    dear = bike_demand.model_copy(update={"retrain": retrain})
    assert decide_on(dear, score([10.0] * 20)).action == "wait"
    assert decide_on(dear, score([10.0] * 23)).should_retrain


def test_without_gain_among_the_triggers_refits_start_nothing(bike_demand: ModelSpec) -> None:
    retrain = bike_demand.retrain.model_copy(update={"triggered_by": ("error",)})
    spec = bike_demand.model_copy(update={"retrain": retrain})
    words = "no retraining: version 3 has 0 labelled whole days, 3 are needed"
    assert decide_on(spec, score([10.0] * 20)) == Decision("wait", words)


def widen(errors: dict[Window, float], days: int) -> list[RefitDay]:
    return [replace(day, refit_errors=errors) for day in score([0.0] * days)]


def test_the_window_is_the_one_that_was_best_in_the_newest_four_weeks() -> None:
    auto = Retrain(window_days="auto")
    season, month = {None: 20.0, 28: 19.0, 91: 18.0}, {None: 20.0, 28: 15.0, 91: 18.0}
    assert choose_window(auto, widen(season, 40)) == 91
    assert choose_window(auto, widen(season, 40) + widen(month, 28)) == 28
    assert choose_window(auto, []) is None
    assert choose_window(Retrain(window_days=35), widen(season, 40)) == 35


def test_a_window_that_was_not_always_scored_is_not_chosen() -> None:
    auto = Retrain(window_days="auto")
    days = [*widen({None: 20.0, 91: 30.0}, 1), *widen({None: 20.0, 28: 1.0, 91: 30.0}, 20)]
    assert choose_window(auto, days) is None


def test_a_loss_that_may_be_chance_waits_for_more_days(bike_demand: ModelSpec) -> None:
    """Days that lose 5 on average and differ by 25: by chance the price is reached after six, and the loss is real."""
    losses = np.random.default_rng(4).normal(5, 25, 200)
    waiting = decide_on(bike_demand, score(list(losses[:6])))
    assert waiting.action == "wait"
    assert waiting.reason.endswith("days differ so much that this may be chance: more days will show")
    assert decide_on(bike_demand, score(list(losses))).should_retrain


def test_where_refits_are_no_better_odd_days_start_few_retrainings() -> None:
    """Losses of no mean whose days differ as those of a model with one row a day: now and then one is very large."""
    rng = np.random.default_rng(0)
    fired = sum(has_fired((rng.standard_t(3, 365) * 5).tolist()) for _ in range(20))
    assert fired <= 12  # without a bound 18 of them fired


def has_fired(losses: Sequence[float]) -> bool:
    """Whether a year of losses starts a retraining. There is a look each three days."""
    days = score(losses)
    looks = (find_excess(Retrain(), CHAMPION, days[:count]) for count in range(3, len(days), 3))
    return any(excess is not None and pays(Retrain(), excess) for excess in looks)


def test_a_jump_after_many_calm_days_is_not_taken_for_chance() -> None:
    """The step of the jump is one among many, so that it is no noise."""
    calm = [1.0, -1.0] * 50
    found = find_excess(Retrain(), CHAMPION, score([*calm, *[12.0] * 3]))
    assert found is not None
    assert pays(Retrain(), found)
