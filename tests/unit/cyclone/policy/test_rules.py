import doctest
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

import cyclone.policy.rules
from cyclone.checks.verdicts import CheckResult
from cyclone.differences import Difference
from cyclone.policy.breaker import FeatureFacts, Upstream
from cyclone.policy.decisions import Cause, Decision
from cyclone.policy.facts import DailyError, Evidence, PastRetraining, Request, ServingVersion
from cyclone.policy.rules import decide, find_stops, find_typical_error
from cyclone.sections import ErrorTrigger, Retrain
from cyclone.spec import ModelSpec

NOW = datetime(2011, 3, 8, tzinfo=UTC)
DAY = timedelta(days=1)
DRIFT = CheckResult(
    kind="drift",
    check_name="population_stability",
    subject="wind",
    version=3,
    value=0.345,
    standard_error=None,
    sample_size=168,
    limit=0.2,
    verdict="failed",
    window_start=NOW - 7 * DAY,
    window_end=NOW,
)
DRIFT_WORDS = "population_stability of wind 0.345 over 7 days on 168 rows is above 0.2"
ERROR_WORDS = "a typical day's mean_absolute_error 40 over 4 days is above 1.5 × the accepted 20 = 30"
FAILED = PastRetraining(NOW - 12 * DAY, "failed", 1)
KEPT = PastRetraining(NOW - 13 * DAY, "kept_champion", 1)
ROLLED_BACK = PastRetraining(NOW - 12 * DAY, "rolled_back", 1)
PROMOTED = PastRetraining(NOW - 12 * DAY, "promoted", 1)


def build_champion(errors: Sequence[float], accepted: float = 20.0) -> ServingVersion:
    days = tuple(DailyError(NOW - (len(errors) - place) * DAY, error, 24) for place, error in enumerate(errors))
    return ServingVersion(3, NOW - 10 * DAY, "mean_absolute_error", accepted, days)


RISEN = Evidence(NOW, build_champion([40, 40, 40, 40]))


def configure(spec: ModelSpec, **retrain: Any) -> ModelSpec:
    """The model with other rules. The limit of its error stays."""
    error = {"limit": spec.retrain.error.limit, **retrain.pop("error", {})}
    return spec.model_copy(update={"retrain": Retrain.model_validate({"error": error, **retrain})})


def test_a_risen_error_asks_for_a_retraining_in_a_sentence(bike_demand: ModelSpec) -> None:
    assert decide(bike_demand, RISEN) == Decision("retrain", ERROR_WORDS)


def test_an_error_within_the_limit_starts_nothing_and_says_how_close_it_was(bike_demand: ModelSpec) -> None:
    evidence = replace(RISEN, champion=build_champion([29, 29, 29]))
    words = "no retraining: a typical day's mean_absolute_error 29 over 3 days is 1.45 × the accepted 20"
    assert decide(bike_demand, evidence) == Decision("wait", words)


def test_too_few_labelled_days_say_nothing(bike_demand: ModelSpec) -> None:
    evidence = replace(RISEN, champion=build_champion([400, 400]))
    words = "no retraining: version 3 has 2 labelled whole days, 3 are needed"
    assert decide(bike_demand, evidence) == Decision("wait", words)


def test_three_labels_on_three_days_start_nothing(bike_demand: ModelSpec) -> None:
    champion = build_champion([400, 400, 400])
    few = replace(champion, days=tuple(replace(day, rows=1) for day in champion.days))
    words = "no retraining: version 3 has 3 labels of whole days, 24 are needed"
    assert decide(bike_demand, replace(RISEN, champion=few)) == Decision("wait", words)
    assert decide(bike_demand, replace(RISEN, champion=champion)).should_retrain


def test_without_a_version_that_serves_nothing_starts(bike_demand: ModelSpec) -> None:
    assert decide(bike_demand, Evidence(NOW, None)) == Decision("wait", "no retraining: no version serves")


def test_one_day_of_snow_starts_nothing_but_a_lasting_rise_does(bike_demand: ModelSpec) -> None:
    snow = replace(RISEN, champion=build_champion([20, 20, 20, 20, 20, 20, 200]))
    assert not decide(bike_demand, snow).should_retrain
    lasting = replace(RISEN, champion=build_champion([20, 45, 45, 45, 45, 45, 45]))
    assert decide(bike_demand, lasting).should_retrain


def test_days_outside_the_window_or_not_over_yet_do_not_count() -> None:
    champion = build_champion([1000] * 3 + [30] * 7)
    unfinished = replace(champion, days=(*champion.days, DailyError(NOW - DAY / 2, 1000, 12)))
    typical = find_typical_error(unfinished, NOW, ErrorTrigger())
    assert typical is not None
    assert (round(typical[0], 6), typical[1]) == (30, 7)


def test_one_label_of_the_oldest_day_does_not_count_as_a_day() -> None:
    days = tuple(DailyError(NOW - age * DAY, error, rows) for age, error, rows in ((3, 9, 1), (2, 1, 12), (1, 1, 12)))
    typical = find_typical_error(replace(build_champion([], 1.0), days=days), NOW, ErrorTrigger())
    assert typical is not None
    # The oldest row counts with the day after it: (9 + 12) / 13 there, and 1 on the newest day.
    assert typical.error == pytest.approx((21 / 13) ** 0.5)


@pytest.mark.parametrize("minutes", [0, 5, 23 * 60 + 55])
@pytest.mark.parametrize(("window_days", "errors"), [(7, [40.0] * 7), (1, [40.0])])
def test_a_decision_is_the_same_all_day_long(
    bike_demand: ModelSpec, minutes: int, window_days: int, errors: list[float]
) -> None:
    spec = configure(bike_demand, error={"window_days": window_days, "minimum_days": window_days})
    evidence = Evidence(NOW, build_champion(errors))
    at_midnight = decide(spec, evidence)
    assert at_midnight.should_retrain
    assert decide(spec, replace(evidence, now=NOW + timedelta(minutes=minutes))) == at_midnight


def build_daily(errors: list[float]) -> ServingVersion:
    """A version with one row a day."""
    champion = build_champion(errors)
    return replace(champion, days=tuple(replace(day, rows=1) for day in champion.days))


def test_with_a_row_a_day_several_days_are_judged_together(bike_demand: ModelSpec) -> None:
    """Single absolute errors are often near 0, and their geometric mean would be far below their mean."""
    risen, calm = [2.0, 78.0] * 12, [1.0, 39.0] * 12
    decision = decide(bike_demand, Evidence(NOW, build_daily(risen)))
    words = "a typical day's mean_absolute_error 40 over 24 days is above 1.5 × the accepted 20 = 30"
    assert decision == Decision("retrain", words)
    assert decide(bike_demand, Evidence(NOW, build_daily(calm))).action == "wait"
    few = decide(bike_demand, Evidence(NOW, build_daily(risen[1:])))
    assert few == Decision("wait", "no retraining: version 3 has 23 labels of whole days, 24 are needed")


def test_a_perfect_day_does_not_hide_a_bad_week(bike_demand: ModelSpec) -> None:
    assert decide(bike_demand, replace(RISEN, champion=build_champion([0] + [200] * 6))).should_retrain


def test_a_version_without_any_error_is_left_alone(bike_demand: ModelSpec) -> None:
    evidence = Evidence(NOW, build_champion([0] * 7, accepted=0.0))
    words = "no retraining: a typical day's mean_absolute_error 0 over 7 days stands beside the accepted 0"
    assert decide(bike_demand, evidence) == Decision("wait", words)


def test_an_error_where_none_was_accepted_asks_for_a_retraining(bike_demand: ModelSpec) -> None:
    decision = decide(bike_demand, Evidence(NOW, build_champion([0, 4, 4, 4], accepted=0.0)))
    words = "a typical day's mean_absolute_error 1.18 over 4 days is above 1.5 × the accepted 0 = 0"
    assert decision == Decision("retrain", words)


def test_drift_warns_unless_it_is_allowed_to_start_a_retraining(bike_demand: ModelSpec) -> None:
    calm = Evidence(NOW, build_champion([20] * 7), results=[DRIFT])
    assert decide(bike_demand, calm).action == "wait"
    eager = configure(bike_demand, triggered_by=["error", "drift"])
    assert decide(eager, calm) == Decision("retrain", DRIFT_WORDS)
    assert decide(eager, replace(calm, results=[replace(DRIFT, verdict="no_data")])).action == "wait"


def test_a_failed_error_check_warns_beside_the_policys_own_error_unless_it_may_start_a_retraining(
    bike_demand: ModelSpec,
) -> None:
    failed = replace(DRIFT, kind="error", check_name="bias", subject="all", value=40.0, limit=25.0)
    calm = Evidence(NOW, build_champion([20] * 7), results=[failed])
    assert decide(bike_demand, calm).action == "wait"
    decision = decide(configure(bike_demand, triggered_by=["error_checks"]), calm)
    assert decision == Decision("retrain", "bias 40 over 7 days on 168 rows is above 1.25 × the accepted 20 = 25")


def test_an_old_version_is_retrained_when_an_age_is_set(bike_demand: ModelSpec) -> None:
    calm = Evidence(NOW, build_champion([20] * 7))
    assert decide(configure(bike_demand, maximum_age_days=10.5), calm).action == "wait"
    aged = decide(configure(bike_demand, maximum_age_days=10), calm)
    assert aged == Decision("retrain", "version 3 has served 10.0 days of at most 10")


def test_within_the_cooldown_nothing_starts_and_it_is_over_on_the_dot(bike_demand: ModelSpec) -> None:
    evidence = replace(RISEN, retrainings=[PastRetraining(NOW - 2 * DAY, "promoted", 1)])
    words = f"no retraining, although {ERROR_WORDS}: the last one ended 2.0 days ago, within the cooldown of 10 days"
    assert decide(bike_demand, evidence) == Decision("wait", words)
    over = replace(RISEN, retrainings=[PastRetraining(NOW - 10 * DAY, "promoted", 1)])
    assert decide(bike_demand, over).should_retrain


def test_the_budget_of_a_week_is_weighted_by_cost(bike_demand: ModelSpec) -> None:
    spec = configure(bike_demand, cooldown_days=1, cost=2, budget_per_week=5)
    spent = [PastRetraining(NOW - 6 * DAY, "promoted", 2), PastRetraining(NOW - 3 * DAY, "promoted", 2)]
    words = f"no retraining, although {ERROR_WORDS}: 4 of 5 a week are spent, one more costs 2"
    assert decide(spec, replace(RISEN, retrainings=spent)) == Decision("hold", words, "budget")
    assert decide(spec, replace(RISEN, retrainings=spent[1:])).should_retrain


@pytest.mark.parametrize(
    ("retrainings", "cause", "words"),
    [
        ([KEPT, ROLLED_BACK], "pause", "the last 2 brought no gain (kept champion, rolled back)"),
        ([KEPT, FAILED, ROLLED_BACK], "pause", "the last 2 brought no gain (kept champion, rolled back)"),
        ([PROMOTED, FAILED, FAILED], "failures", "the last 2 failed"),
    ],
)
def test_two_retrainings_without_gain_or_two_that_failed_stop_and_tell(
    bike_demand: ModelSpec, retrainings: list[PastRetraining], cause: Cause, words: str
) -> None:
    decision = decide(bike_demand, replace(RISEN, retrainings=retrainings))
    until = "none starts by itself for 16.0 days more, unless a person resumes"
    assert decision == Decision("hold", f"no retraining, although {ERROR_WORDS}: {words}: {until}", cause)


@pytest.mark.parametrize(
    "retrainings",
    [
        [FAILED],
        [KEPT, FAILED],
        [KEPT, PROMOTED],
        [PROMOTED, FAILED],
        [FAILED, ROLLED_BACK],
        [replace(KEPT, ended_at=NOW - 40 * DAY), replace(KEPT, ended_at=NOW - 28 * DAY)],
        [replace(FAILED, ended_at=NOW - 40 * DAY), replace(FAILED, ended_at=NOW - 28 * DAY)],
    ],
)
def test_one_without_gain_a_promotion_or_time_lets_it_go_on(
    bike_demand: ModelSpec, retrainings: list[PastRetraining]
) -> None:
    assert decide(bike_demand, replace(RISEN, retrainings=retrainings)).should_retrain


BROKEN = [
    (Upstream(requests=100, rejected=51), "51 of 100 requests do not fit model.yaml"),
    (Upstream(requests=20, rejected=20), "20 of 20 requests do not fit model.yaml"),
    (Upstream(answered=100, in_log=94), "the log holds 94 of 100 answered rows"),
    (Upstream(answered=100, in_log=90, set_aside=9), "the log holds 90 of 100 answered rows, Postgres refused 9"),
    (
        Upstream(answered=100, in_log=90, conflicting=9),
        "the log holds 90 of 100 answered rows, 9 came with ids of other rows",
    ),
    (Upstream(features=(FeatureFacts("wind", 100, 31, 0.1),)), "wind is missing in 31 of 100 rows"),
    (
        Upstream(features=(FeatureFacts("wind", 18, 4, 0.1, 10, 14, 10),)),
        "wind is stuck at one value in 24 rows of 2 days",
    ),
    (
        Upstream(features=(FeatureFacts("wind", 24, 0, 0.0, 24, 23, 24, 0.5),)),  # one odd row
        "wind is stuck at one value in 47 rows of 2 days",
    ),
    (
        Upstream(unlabelled_since=NOW - 4.5 * DAY, newest_labelled=NOW - 4 * DAY),
        "labels stopped: none for rows after 2011-03-04 00:00, 3.5 days later than expected",
    ),
]


@pytest.mark.parametrize(("upstream", "words"), BROKEN)
def test_a_broken_upstream_is_not_learned_but_told(bike_demand: ModelSpec, upstream: Upstream, words: str) -> None:
    decision = decide(bike_demand, replace(RISEN, upstream=upstream))
    reason = f"no retraining, although {ERROR_WORDS}: upstream data are broken ({words})"
    assert decision == Decision("hold", reason, "upstream")
    calm = decide(bike_demand, replace(CALM, upstream=upstream))
    assert calm == Decision("hold", f"no retraining: upstream data are broken ({words})", "upstream")


@pytest.mark.parametrize(
    "upstream",
    [
        Upstream(requests=100, rejected=50),
        Upstream(requests=19, rejected=19),
        Upstream(answered=100, in_log=95, set_aside=5),
        Upstream(answered=19),
        Upstream(features=(FeatureFacts("wind", 100, 30, 0.1, 100, 30, 50),)),
        Upstream(features=(FeatureFacts("wind", 19, 19, 0.0),)),
        Upstream(features=(FeatureFacts("holiday", 100, 0, 0.0, 100, None),)),
        Upstream(features=(FeatureFacts("wind", 13, 0, 0.0, 10, 13, 10),)),
        Upstream(features=(FeatureFacts("wind", 100, 0, 0.0, 0, 100, 0),)),
        Upstream(features=(FeatureFacts("wind", 1, 0, 0.0, 100, 1, 100),)),  # one row of the last day shows nothing
        Upstream(features=(FeatureFacts("wind", 100, 0, 0.0, 100, 90, 99),)),
        Upstream(features=(FeatureFacts("wind", 100, 0, 0.0, 100, 100, 100, 1.0),)),  # constant at training
        Upstream(unlabelled_since=NOW - 3.9 * DAY),
    ],
)
def test_an_upstream_within_its_limits_stops_nothing(bike_demand: ModelSpec, upstream: Upstream) -> None:
    assert decide(bike_demand, replace(RISEN, upstream=upstream)).should_retrain
    assert decide(bike_demand, replace(CALM, upstream=upstream)).action == "wait"


BROKEN_LOG = Upstream(answered=100, in_log=80)
CALM = Evidence(NOW, build_champion([20] * 7))
PAUSED = [KEPT, ROLLED_BACK]
FAILURES = [replace(FAILED, ended_at=NOW - 13 * DAY), FAILED]
SPENT = [replace(PROMOTED, ended_at=NOW - DAY), replace(PROMOTED, ended_at=NOW - DAY / 2)]


def ask(*despite: Cause, **facts: Any) -> Evidence:
    """Ada asks for a retraining that nothing else asks for."""
    return replace(CALM, requests=[Request("Ada", is_person=True, because="new prices", despite=despite)], **facts)


def test_a_person_need_not_wait_for_the_cooldown(bike_demand: ModelSpec) -> None:
    evidence = ask(retrainings=[replace(PROMOTED, ended_at=NOW)])
    assert decide(bike_demand, evidence) == Decision("retrain", "requested by Ada")


@pytest.mark.parametrize(
    ("cause", "facts", "words"),
    [
        ("upstream", {"upstream": BROKEN_LOG}, "upstream data are broken (the log holds 80 of 100 answered rows)"),
        ("pause", {"retrainings": PAUSED}, "the last 2 brought no gain (kept champion, rolled back)"),
        ("failures", {"retrainings": FAILURES}, "the last 2 failed"),
        ("budget", {"retrainings": SPENT}, "2 of 2 a week are spent, one more costs 1"),
    ],
)
def test_what_holds_a_person_is_ignored_only_by_its_name(
    bike_demand: ModelSpec, cause: Cause, facts: dict[str, Any], words: str
) -> None:
    held = decide(bike_demand, ask(**facts))
    assert (held.action, held.cause) == ("hold", cause)
    assert held.reason.startswith(f"no retraining, although requested by Ada: {words}")
    others = [other for other in get_args(Cause) if other != cause]
    assert decide(bike_demand, ask(*others, **facts)) == held
    forced = decide(bike_demand, ask(cause, **facts))
    assert forced == Decision("retrain", f"requested by Ada, in spite of {cause}")


@pytest.mark.parametrize("retrainings", [PAUSED, FAILURES, SPENT])
def test_what_a_person_resumed_from_counts_no_more(bike_demand: ModelSpec, retrainings: list[PastRetraining]) -> None:
    spec = configure(bike_demand, cooldown_days=0)
    evidence = replace(RISEN, retrainings=retrainings)
    assert decide(spec, evidence).needs_person
    assert decide(spec, replace(evidence, resumed_at=retrainings[-1].ended_at)).should_retrain
    assert decide(spec, replace(evidence, resumed_at=retrainings[0].ended_at - DAY)).needs_person


def test_within_the_cooldown_broken_data_are_told_all_the_same(bike_demand: ModelSpec) -> None:
    cooling = replace(RISEN, retrainings=[replace(PROMOTED, ended_at=NOW - DAY)])
    assert decide(bike_demand, cooling).action == "wait"
    assert decide(bike_demand, replace(cooling, upstream=BROKEN_LOG)).cause == "upstream"


def test_all_that_holds_is_named_at_once_and_the_worst_is_the_cause(bike_demand: ModelSpec) -> None:
    decision = decide(bike_demand, ask(retrainings=[replace(KEPT, ended_at=NOW - DAY), replace(KEPT, ended_at=NOW)]))
    assert decision.cause == "pause"
    assert "brought no gain" in decision.reason
    assert decision.reason.endswith(". 2 of 2 a week are spent, one more costs 1")
    assert decide(bike_demand, ask("pause", "budget", retrainings=PAUSED)).should_retrain


def test_what_stands_against_a_retraining_is_known_before_one_is_due(bike_demand: ModelSpec) -> None:
    evidence = replace(CALM, upstream=BROKEN_LOG, retrainings=PAUSED)
    assert decide(bike_demand, replace(evidence, upstream=Upstream())).action == "wait"
    assert [stop.cause for stop in find_stops(bike_demand, evidence)] == ["upstream", "pause"]


def test_an_estimated_error_starts_a_retraining_only_where_it_may(bike_demand: ModelSpec) -> None:
    estimate = replace(DRIFT, kind="estimate", check_name="expected_error", subject="all", value=40.0, limit=30.0)
    evidence = replace(CALM, results=[estimate])
    assert decide(bike_demand, evidence).action == "wait"
    decision = decide(configure(bike_demand, triggered_by=["estimate"]), evidence)
    assert decision == Decision("retrain", "expected_error 40 over 7 days on 168 rows is above 30")


def test_an_alert_waits_like_every_other_trigger(bike_demand: ModelSpec) -> None:
    alert = Evidence(NOW, build_champion([20] * 7), requests=[Request("alert 7", is_person=False)])
    assert decide(bike_demand, alert) == Decision("retrain", "requested by alert 7")
    assert not decide(bike_demand, replace(alert, retrainings=[replace(PROMOTED, ended_at=NOW)])).should_retrain


ASTRAY = Difference("traffic", "bike-demand-v2 100 %", "bike-demand-v3 100 %")
ASTRAY_WORDS = "what serves is not what the release record says (traffic: bike-demand-v2 100 %, wanted: bike-demand-v3"
ALIAS = Difference("alias champion", "none", "3")


def test_traffic_against_the_record_is_told_when_nothing_is_due_and_holds_what_is_due(bike_demand: ModelSpec) -> None:
    calm = Evidence(NOW, build_champion([20, 20, 20]), differences=[ASTRAY])
    told = decide(bike_demand, calm)
    assert (told.action, told.cause) == ("hold", "release")
    assert told.reason == f"no retraining: {ASTRAY_WORDS} 100 %)"
    held = decide(bike_demand, replace(RISEN, differences=[ASTRAY]))
    assert (held.action, held.cause) == ("hold", "release")
    person = Request("ada", is_person=True, because="it is mine", despite=("release",))
    assert decide(bike_demand, replace(RISEN, differences=[ASTRAY], requests=[person])).should_retrain


def test_an_alias_against_the_record_is_told_and_holds_nothing(bike_demand: ModelSpec) -> None:
    told = decide(bike_demand, Evidence(NOW, build_champion([20, 20, 20]), differences=[ALIAS]))
    assert (told.action, told.cause) == ("hold", "release")
    assert decide(bike_demand, replace(RISEN, differences=[ALIAS])) == Decision("retrain", ERROR_WORDS)


def test_a_failed_check_of_another_version_is_told_beside_its_traffic_and_starts_nothing(
    bike_demand: ModelSpec,
) -> None:
    failed = replace(DRIFT, version=2)
    spec = configure(bike_demand, triggered_by=["drift"])
    calm = Evidence(NOW, build_champion([20, 20, 20]), results=[failed])
    assert decide(spec, replace(calm, results=[DRIFT])).should_retrain
    assert decide(spec, calm).action == "wait"
    told = decide(spec, replace(calm, differences=[ASTRAY]))
    assert told.reason == f"no retraining: {ASTRAY_WORDS} 100 %, and version 2 answers, and its {DRIFT_WORDS})"


def test_the_examples_hold() -> None:
    assert doctest.testmod(cyclone.policy.rules).failed == 0
