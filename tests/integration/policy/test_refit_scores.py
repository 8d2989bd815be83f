"""Which refit is due, and what a decision reads of their scores, in a real Postgres."""

from datetime import UTC, datetime, timedelta

from cyclone.policy.evidence import collect_evidence
from cyclone.policy.facts import RefitDay
from cyclone.policy.refit_scores import ScoredDay, Stretch, find_due_stretch, find_window, record_scores
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.support.staged_releases import record_champion
from tests.support.statements import execute

DAY = timedelta(days=1)
PROMOTED = datetime(2011, 3, 6, 5, tzinfo=UTC)
"""Midnight of this day begins a stretch."""
FIRST = PROMOTED.replace(hour=0)


def serve(store: Store, version: int, at: datetime) -> None:
    execute(
        store,
        "INSERT INTO reference_profile VALUES ('bike_demand', %(version)s, 'r', 'mean_absolute_error', 20, 600, now())",
        version=version,
    )
    record_champion(store, "bike_demand", version, at)


def score(store: Store, spec: ModelSpec, stretch: Stretch, seconds: float = 1.0, **errors: float) -> None:
    windows = {"all": None, "month": 28}
    days = [
        ScoredDay(day, windows[name], 24, 30.0, error) for day in stretch.list_days() for name, error in errors.items()
    ]
    record_scores(store, spec, stretch, days or [ScoredDay(stretch.trained_at, None, 0, None, None)], seconds)


def test_a_refit_is_due_once_the_labels_of_its_days_are_known(store: Store, bike_demand: ModelSpec) -> None:
    """Three days, and labels a day later."""
    assert find_due_stretch(store, bike_demand, FIRST + 9 * DAY) is None  # nothing serves
    serve(store, 1, PROMOTED)
    assert find_due_stretch(store, bike_demand, FIRST + 4 * DAY - timedelta(seconds=1)) is None
    due = find_due_stretch(store, bike_demand, FIRST + 4 * DAY)
    assert due == Stretch(1, FIRST, FIRST + 3 * DAY, FIRST + 4 * DAY)
    assert find_due_stretch(store, bike_demand, FIRST + 9 * DAY) == due
    score(store, bike_demand, due, all=20.0)
    assert find_due_stretch(store, bike_demand, FIRST + 7 * DAY - timedelta(seconds=1)) is None
    following = find_due_stretch(store, bike_demand, FIRST + 9 * DAY)
    assert following == Stretch(1, FIRST + 3 * DAY, FIRST + 6 * DAY, FIRST + 7 * DAY)
    quiet = bike_demand.retrain.model_copy(update={"triggered_by": ("error",)})
    assert find_due_stretch(store, bike_demand.model_copy(update={"retrain": quiet}), FIRST + 9 * DAY) is None


def test_a_refit_of_days_that_cannot_be_scored_is_tried_once(store: Store, bike_demand: ModelSpec) -> None:
    serve(store, 1, PROMOTED)
    due = find_due_stretch(store, bike_demand, FIRST + 9 * DAY)
    assert due is not None
    record_scores(store, bike_demand, due, [ScoredDay(day, None, 0, None, None) for day in due.list_days()], 1.0)
    assert collect_evidence(store, bike_demand, [], FIRST + 9 * DAY).refits == []
    following = find_due_stretch(store, bike_demand, FIRST + 9 * DAY)
    assert following is not None
    assert following.trained_at == due.end


def test_a_dear_training_is_refitted_less_often_and_a_very_dear_one_not_at_all(
    store: Store, bike_demand: ModelSpec
) -> None:
    serve(store, 1, PROMOTED)
    due = find_due_stretch(store, bike_demand, FIRST + 4 * DAY)
    assert due is not None
    score(store, bike_demand, due, seconds=3600.0, all=20.0)
    assert find_due_stretch(store, bike_demand, FIRST + 9 * DAY) is None
    longer = find_due_stretch(store, bike_demand, FIRST + 10 * DAY)
    assert longer == Stretch(1, FIRST + 3 * DAY, FIRST + 9 * DAY, FIRST + 10 * DAY)
    score(store, bike_demand, longer, seconds=40_000.0, all=20.0)
    assert find_due_stretch(store, bike_demand, FIRST + 60 * DAY) is None


def test_a_decision_reads_what_was_known_then_and_a_second_score_changes_nothing(
    store: Store, bike_demand: ModelSpec
) -> None:
    serve(store, 1, PROMOTED)
    due = find_due_stretch(store, bike_demand, FIRST + 4 * DAY)
    assert due is not None
    score(store, bike_demand, due, all=20.0, month=10.0)
    score(store, bike_demand, due, all=1.0, month=1.0)
    expected = [RefitDay(FIRST + place * DAY, 1, 24, 30.0, {None: 20.0, 28: 10.0}) for place in range(3)]
    assert collect_evidence(store, bike_demand, [], FIRST + 4 * DAY).refits == expected
    assert collect_evidence(store, bike_demand, [], FIRST + 4 * DAY - timedelta(seconds=1)).refits == []


def test_the_window_of_a_training_is_the_one_that_was_best_when_it_began(store: Store, bike_demand: ModelSpec) -> None:
    retrain = bike_demand.retrain.model_copy(update={"window_days": "auto"})
    auto = bike_demand.model_copy(update={"retrain": retrain})
    serve(store, 1, PROMOTED)
    due = find_due_stretch(store, auto, FIRST + 4 * DAY)
    assert due is not None
    score(store, auto, due, all=20.0, month=10.0)
    assert find_window(store, auto, FIRST + 4 * DAY) == 28
    assert find_window(store, auto, FIRST + 3 * DAY) is None
    fixed = bike_demand.model_copy(update={"retrain": bike_demand.retrain.model_copy(update={"window_days": 40})})
    assert find_window(store, fixed, FIRST + 4 * DAY) == 40


def test_scores_of_a_version_before_tell_the_window_and_not_what_the_present_one_lost(
    store: Store, bike_demand: ModelSpec
) -> None:
    serve(store, 1, PROMOTED)
    due = find_due_stretch(store, bike_demand, FIRST + 4 * DAY)
    assert due is not None
    score(store, bike_demand, due, all=1.0)
    serve(store, 2, FIRST + 5 * DAY)
    evidence = collect_evidence(store, bike_demand, [], FIRST + 6 * DAY)
    assert [day.version for day in evidence.refits] == [1, 1, 1]
    assert evidence.champion is not None
    assert evidence.champion.version == 2
    assert find_due_stretch(store, bike_demand, FIRST + 9 * DAY) == Stretch(
        2, FIRST + 3 * DAY, FIRST + 6 * DAY, FIRST + 7 * DAY
    )
