"""What a decision rests on, read from a real Postgres."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import nextafter

from cyclone.checks.rollups import roll_up
from cyclone.policy.breaker import FeatureFacts, Upstream, find_faults
from cyclone.policy.decisions import Decision
from cyclone.policy.evidence import collect_evidence, record_decision
from cyclone.policy.facts import DailyError, PastRetraining, Request, ServingVersion
from cyclone.policy.incidents import finish_retraining, start_retraining
from cyclone.policy.rules import decide
from cyclone.sections import Retrain
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.support.statements import execute

NOW = datetime(2011, 3, 8, tzinfo=UTC)
DAY = timedelta(days=1)
ROW = (
    '{"hour": 1, "weekday": 1, "workingday": true, "holiday": false, "season": 1, "weather": "clear",'
    ' "temperature": %s, "humidity": %s, "wind": 0.1}'
)


def serve(store: Store, version: int, since: datetime, until: datetime, error: float, **features: str) -> None:
    """A version that answers one row an hour, each wrong by `error`. Labels come a day later."""
    execute(
        store,
        "INSERT INTO reference_profile VALUES ('bike_demand', %(version)s, 'r', 'mean_absolute_error', 20, 600, now())"
        " ON CONFLICT DO NOTHING",
        version=version,
    )
    release = (
        "INSERT INTO release (model, version, revision, image, image_digest, run_id, state, traffic_percent,"
        " created_at, promoted_at) VALUES ('bike_demand', %(version)s, 'r' || %(version)s, 'i', 'd',"
        " 'run' || %(version)s, 'champion', 100, %(at)s, %(at)s)"
    )
    execute(store, release, version=version, at=since)
    hours = int((until - since) / timedelta(hours=1))
    for month in (datetime(2011, month, 1, tzinfo=UTC) for month in (2, 3)):
        for parent in ("prediction_log", "label"):
            execute(store, "SELECT ensure_partition(%(parent)s, %(month)s)", parent=parent, month=month)
    row = ROW % (features.get("temperature", "(n %% 10) / 10.0"), features.get("humidity", "0.5"))
    for number in range(hours):
        at = since + number * timedelta(hours=1)
        parameters = {
            "id": f"v{version}-{number}",
            "version": version,
            "at": at,
            "input": row.replace("(n %% 10) / 10.0", str(number % 10 / 10)),
            "prediction": str(100 + error),
            "label_at": at + DAY,
        }
        execute(
            store,
            "INSERT INTO prediction_id VALUES ('bike_demand', %(id)s, %(at)s);"
            "INSERT INTO prediction_log (model, id, version, revision, input, prediction, created_at)"
            " VALUES ('bike_demand', %(id)s, %(version)s, 'r', %(input)s, %(prediction)s, %(at)s)",
            **parameters,
        )
        if at + DAY <= NOW:
            execute(
                store,
                "INSERT INTO label (model, id, label, observed_at) VALUES ('bike_demand', %(id)s, '100', %(label_at)s)",
                **parameters,
            )


def test_a_version_is_judged_by_its_own_labelled_days_only(store: Store, bike_demand: ModelSpec) -> None:
    serve(store, 1, NOW - 6 * DAY, NOW - 4 * DAY, error=90)
    serve(store, 2, NOW - 4 * DAY, NOW, error=40)
    roll_up(store, bike_demand)
    evidence = collect_evidence(store, bike_demand, [], NOW)
    days = tuple(DailyError(NOW - age * DAY, 40.0, 24) for age in (3, 2, 1))
    assert evidence.champion == ServingVersion(2, NOW - 4 * DAY, "mean_absolute_error", 20.0, days)
    assert decide(bike_demand, replace(evidence, upstream=Upstream())) == Decision(
        "retrain", "a typical day's mean_absolute_error 40 over 3 days is above 1.5 × the accepted 20 = 30"
    )
    later = collect_evidence(store, bike_demand, [], NOW + timedelta(hours=9)).champion
    assert later is not None
    assert later.days == days  # a day that is not over says nothing yet


def test_a_version_promoted_today_does_not_answer_for_the_one_before(store: Store, bike_demand: ModelSpec) -> None:
    serve(store, 1, NOW - 6 * DAY, NOW + timedelta(hours=10), error=90)
    serve(store, 2, NOW + timedelta(hours=10), NOW + timedelta(hours=15), error=40)
    roll_up(store, bike_demand)
    spec = bike_demand.model_copy(update={"retrain": Retrain(cooldown_days=0)})
    before, after = (collect_evidence(store, spec, [], NOW + timedelta(hours=hour)) for hour in (9, 15))
    assert decide(spec, replace(before, upstream=Upstream())).should_retrain
    assert after.champion == ServingVersion(2, NOW + timedelta(hours=10), "mean_absolute_error", 20.0)
    assert decide(spec, replace(after, upstream=Upstream())) == Decision(
        "wait", "no retraining: version 2 has 0 labelled whole days, 3 are needed"
    )


def test_what_was_known_at_a_moment_is_read_again_later(store: Store, bike_demand: ModelSpec) -> None:
    serve(store, 1, NOW - 6 * DAY, NOW, error=40)
    roll_up(store, bike_demand)
    then = collect_evidence(store, bike_demand, [], NOW - 2 * DAY)
    assert then.champion is not None
    assert [day.start for day in then.champion.days] == [NOW - age * DAY for age in (5, 4, 3)]


def test_retrainings_are_the_newest_last(store: Store, bike_demand: ModelSpec) -> None:
    for run_id, age, outcome in (("a", 9, "promoted"), ("b", 3, "kept_champion"), ("later", -1, "failed")):
        start_retraining(store, run_id, "bike_demand", None, NOW - age * DAY, cost=2)
        finish_retraining(store, "bike_demand", run_id, NOW - age * DAY, outcome, "", None)  # type: ignore[arg-type]
    evidence = collect_evidence(store, bike_demand, [], NOW)
    assert evidence.champion is None
    assert evidence.retrainings == [
        PastRetraining(NOW - 9 * DAY, "promoted", 2),
        PastRetraining(NOW - 3 * DAY, "kept_champion", 2),
    ]


def test_all_retrainings_of_a_week_are_counted_and_enough_before_to_know_how_they_end(
    store: Store, bike_demand: ModelSpec
) -> None:
    for number in range(80):
        ended_at = NOW - (6 * DAY if number < 60 else 8 * DAY + number * timedelta(minutes=1))
        start_retraining(store, f"run {number}", "bike_demand", None, ended_at, cost=0.5)
        finish_retraining(store, "bike_demand", f"run {number}", ended_at, "failed", "", None)
    for name, age in (("old", 30), ("older", 31), ("oldest", 32)):
        start_retraining(store, name, "bike_demand", None, NOW - age * DAY)
        finish_retraining(store, "bike_demand", name, NOW - age * DAY, "kept_champion", "", None)
    past = collect_evidence(store, bike_demand, [], NOW).retrainings
    assert [item.outcome for item in past] == ["kept_champion"] * 2 + ["failed"] * 60
    assert [item.ended_at for item in past[:2]] == [NOW - 31 * DAY, NOW - 30 * DAY]


def test_a_promotion_that_was_rolled_back_since_is_told_as_such(store: Store, bike_demand: ModelSpec) -> None:
    serve(store, 1, NOW - 6 * DAY, NOW - 6 * DAY, error=40)
    start_retraining(store, "run1", "bike_demand", None, NOW - 6 * DAY)
    finish_retraining(store, "bike_demand", "run1", NOW - 6 * DAY, "promoted", "", 1)
    execute(store, "UPDATE release SET state = 'rolled_back', ended_at = %(at)s", at=NOW - 2 * DAY)
    seen = [collect_evidence(store, bike_demand, [], NOW - age * DAY).retrainings[0].outcome for age in (3, 1)]
    assert seen == ["promoted", "rolled_back"]


def test_a_stuck_and_a_missing_feature_hold_a_retraining(store: Store, bike_demand: ModelSpec) -> None:
    serve(store, 1, NOW - 6 * DAY, NOW, error=40, humidity="null")
    roll_up(store, bike_demand)
    evidence = collect_evidence(store, bike_demand, [], NOW)
    facts = {item.feature: item for item in evidence.upstream.features}
    assert set(facts) == {"weather", "temperature", "humidity", "wind"}
    assert facts["temperature"] == FeatureFacts("temperature", 24, 0, 0.0, 24, 3, 2)
    assert facts["humidity"] == FeatureFacts("humidity", 24, 24, 0.0, 0, 0)
    decision = decide(bike_demand, evidence)
    assert decision.needs_person
    told = "(humidity is missing in 24 of 24 rows, and wind is stuck at one value in 48 rows of 2 days)"
    assert told in decision.reason


def note_bins(store: Store, feature: str, *bins: tuple[float | None, float | None, int]) -> None:
    """A feature's bins of numbers at the training of version 1, each with its bounds and count."""
    for number, (lower, upper, count) in enumerate(bins):
        execute(
            store,
            "INSERT INTO reference_bin (model, version, feature, bin, lower_bound, upper_bound, count, is_calendar)"
            " VALUES ('bike_demand', 1, %(feature)s, %(number)s, %(lower)s, %(upper)s, %(count)s, false)",
            feature=feature,
            number=number,
            lower=lower,
            upper=upper,
            count=count,
        )


def test_a_feature_that_was_constant_at_training_is_stuck_only_at_another_value(
    store: Store, bike_demand: ModelSpec
) -> None:
    serve(store, 1, NOW - 6 * DAY, NOW, error=40)
    beyond = nextafter(0.1, 1)
    note_bins(store, "wind", (None, 0.1, 0), (0.1, beyond, 700), (beyond, None, 0))
    note_bins(store, "humidity", (None, 0.1, 0), (0.1, beyond, 700), (beyond, None, 0))
    note_bins(store, "temperature", (None, 0.0, 0), (0.0, 0.9, 700), (0.9, None, 0))
    facts = collect_evidence(store, bike_demand, [], NOW).upstream
    assert find_faults(bike_demand, facts, NOW) == ["humidity is stuck at one value in 48 rows of 2 days"]
    one_odd = "UPDATE prediction_log SET input = input || '{%s}' WHERE id = 'v1-140'"
    execute(store, one_odd % '"humidity": 0.7')
    facts = collect_evidence(store, bike_demand, [], NOW).upstream
    assert find_faults(bike_demand, facts, NOW) == ["humidity is stuck at one value in 47 rows of 2 days"]


def test_labels_that_stopped_hold_a_retraining(store: Store, bike_demand: ModelSpec) -> None:
    serve(store, 1, NOW - 6 * DAY, NOW, error=40)
    roll_up(store, bike_demand)
    assert collect_evidence(store, bike_demand, [], NOW).upstream.unlabelled_since is None
    execute(store, "DELETE FROM label WHERE observed_at > %(at)s", at=NOW - 5 * DAY)
    evidence = collect_evidence(store, bike_demand, [], NOW, [Request("alert 7", is_person=False)])
    assert evidence.upstream.newest_labelled == NOW - 6 * DAY
    assert evidence.upstream.unlabelled_since == NOW - 6 * DAY + timedelta(hours=20)
    decision = decide(bike_demand, evidence)
    assert decision.cause == "upstream"
    assert "labels stopped: none for rows after 2011-03-02 00:00, 4.2 days later than expected" in decision.reason


def test_few_rows_without_a_label_are_not_labels_that_stopped(store: Store, bike_demand: ModelSpec) -> None:
    serve(store, 1, NOW - 6 * DAY, NOW - 5 * DAY, error=40)
    late = "DELETE FROM label WHERE observed_at > %(at)s"
    execute(store, late, at=NOW - 5 * DAY + timedelta(hours=4))
    assert find_silence(store, bike_demand) == []
    execute(store, late, at=NOW - 5 * DAY + timedelta(hours=3))
    assert find_silence(store, bike_demand) == [
        "labels stopped: none for rows after 2011-03-02 03:00, 4.0 days later than expected"
    ]


def test_no_traffic_and_labels_that_came_early_are_no_fault(store: Store, bike_demand: ModelSpec) -> None:
    serve(store, 1, NOW - 8 * DAY, NOW - 7 * DAY, error=40)
    execute(store, "UPDATE label SET observed_at = observed_at - interval '20 hours'")
    assert find_silence(store, bike_demand) == []


def test_a_young_version_waits_for_its_first_labels(store: Store, bike_demand: ModelSpec) -> None:
    serve(store, 1, NOW - 2 * DAY, NOW, error=40)
    execute(store, "DELETE FROM label")
    assert find_silence(store, bike_demand) == []
    soon = NOW + 3 * DAY
    assert find_silence(store, bike_demand, soon) == ["labels stopped: none ever, 3.2 days later than expected"]


def find_silence(store: Store, spec: ModelSpec, now: datetime = NOW) -> list[str]:
    """Of all that is broken, the labels."""
    evidence = collect_evidence(store, spec, [], now)
    return find_faults(spec, replace(evidence.upstream, features=()), now)


def test_one_value_in_many_rows_of_few_hours_is_not_stuck(store: Store, bike_demand: ModelSpec) -> None:
    """Of thousands of rows an hour, the newest thousand know one wind. So do all on a version's first day."""
    serve(store, 1, NOW - 2 * DAY, NOW, error=20)
    change = "UPDATE prediction_log SET input = input || jsonb_build_object('wind', %(wind)s) WHERE created_at < %(at)s"
    execute(store, change, wind=0.3, at=NOW - 1.9 * DAY)
    assert find_stuck(store, bike_demand) == []
    execute(store, change, wind=0.1, at=NOW)
    assert find_stuck(store, bike_demand) == ["wind is stuck at one value in 48 rows of 2 days"]
    execute(store, "DELETE FROM prediction_log WHERE created_at < %(at)s", at=NOW - DAY)
    assert find_stuck(store, bike_demand) == []


def find_stuck(store: Store, spec: ModelSpec) -> list[str]:
    """Of all that is broken, the wind."""
    features = collect_evidence(store, spec, [], NOW).upstream.features
    return find_faults(spec, Upstream(features=tuple(facts for facts in features if facts.feature == "wind")), NOW)


def test_a_decision_that_led_to_nothing_is_replaced_when_its_run_decides_again(
    store: Store, bike_demand: ModelSpec
) -> None:
    evidence = collect_evidence(store, bike_demand, [], NOW)
    for decision in (Decision("wait", "because wait"), Decision("hold", "because hold")):
        record_decision(store, evidence, "bike_demand", "run", decision, None)
    assert execute(store, "SELECT run_id, at, version, action, reason FROM decision") == [
        ("run", NOW, None, "hold", "because hold")
    ]
