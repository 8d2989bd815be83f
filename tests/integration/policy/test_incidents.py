from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from cyclone.errors import StoreError
from cyclone.lineage.explain import explain
from cyclone.names import name_retraining
from cyclone.policy.incidents import (
    Incident,
    close_incident,
    find_open_incident,
    find_unanswered_incident,
    finish_retraining,
    join_incident,
    note_failure,
    start_retraining,
)
from cyclone.store import Store

NOON = datetime(2011, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_first_alarm_opens_an_incident_and_the_next_joins_it(store: Store) -> None:
    first = join_incident(store, "m", "monitor-1", NOON, "error 61 is above 36", {"value": 61})
    second = join_incident(store, "m", "grafana-1", NOON + HOUR, "error 70 is above 36", {"value": 70})
    assert first == Incident(first.incident_id, "m", NOON, None, None, "error 61 is above 36", is_new=True)
    assert second == Incident(first.incident_id, "m", NOON, None, None, "error 61 is above 36", is_new=False)
    assert find_open_incident(store, "m") == second
    assert _count_alarms(store) == 2


def test_alarms_that_join_leave_no_gap_in_the_numbers(store: Store) -> None:
    first = join_incident(store, "m", "run 0", NOON, "reason", {})
    for number in range(1, 4):
        join_incident(store, "m", f"run {number}", NOON + number * HOUR, "reason", {})
    close_incident(store, first.incident_id, NOON + 3 * HOUR, "promoted")
    second = join_incident(store, "m", "run 4", NOON + 4 * HOUR, "reason", {})
    assert (second.incident_id, second.is_new) == (first.incident_id + 1, True)


def test_each_model_has_its_own_incident(store: Store) -> None:
    first = join_incident(store, "m", "run", NOON, "reason", {})
    second = join_incident(store, "n", "run", NOON, "reason", {})
    assert second.is_new
    assert second.incident_id != first.incident_id


def test_the_same_source_twice_is_one_alarm(store: Store) -> None:
    first = join_incident(store, "m", "run", NOON, "reason", {})
    again = join_incident(store, "m", "run", NOON, "reason", {})
    assert (again.incident_id, again.is_new) == (first.incident_id, False)
    assert _count_alarms(store) == 1


def test_another_detail_of_the_same_source_is_kept_too(store: Store) -> None:
    """As of a run that was cleared and then finds something else, or of a person who asks again despite a hold."""
    asked = {"asked_by": "ada", "despite": []}
    incident = join_incident(store, "m", "run", NOON, "reason", asked)
    for _ in range(2):
        again = join_incident(store, "m", "run", NOON + HOUR, "reason", {**asked, "despite": ["budget"]})
        assert (again.incident_id, again.is_new) == (incident.incident_id, False)
    told = [(row["at"], row["detail"]["despite"]) for row in explain(store, ["m"], "incident 1").alarms]
    assert told == [(NOON, []), (NOON + HOUR, ["budget"])]
    assert find_unanswered_incident(store, "m", "budget") == incident.incident_id
    assert [row["alarms"] for row in store.fetch("lineage/evidence", model="m")] == [["run"]]


def test_a_source_that_was_answered_opens_nothing_when_it_is_repeated(store: Store) -> None:
    first = join_incident(store, "m", "run", NOON, "reason", {})
    close_incident(store, first.incident_id, NOON, "promoted")
    again = join_incident(store, "m", "run", NOON + HOUR, "reason", {})
    assert (again.incident_id, again.is_new, again.outcome) == (first.incident_id, False, "promoted")
    assert find_open_incident(store, "m") is None


def test_a_late_alarm_about_the_time_of_a_closed_incident_joins_that_one(store: Store) -> None:
    first = join_incident(store, "m", "run-1", NOON, "reason", {})
    close_incident(store, first.incident_id, NOON + 3 * HOUR, "promoted")
    late = join_incident(store, "m", "run-2", NOON + 2 * HOUR, "reason", {})
    news = join_incident(store, "m", "run-3", NOON + 3 * HOUR, "reason", {})
    assert (late.incident_id, late.is_new) == (first.incident_id, False)
    assert news.is_new
    assert news.incident_id != first.incident_id


def test_joiners_that_race_open_one_incident(store: Store) -> None:
    joiners = 8
    start = Barrier(joiners)

    def join(number: int) -> Incident:
        start.wait(timeout=30)
        return join_incident(store, "m", f"run-{number}", NOON, "reason", {})

    with ThreadPoolExecutor(joiners) as pool:
        incidents = list(pool.map(join, range(joiners)))
    assert len({incident.incident_id for incident in incidents}) == 1
    assert [incident.is_new for incident in incidents].count(True) == 1
    assert _count_alarms(store) == joiners


def test_an_incident_is_closed_once_and_keeps_its_outcome(store: Store) -> None:
    incident = join_incident(store, "m", "run", NOON, "reason", {})
    assert close_incident(store, incident.incident_id, NOON + HOUR, "kept_champion") is True
    assert close_incident(store, incident.incident_id, NOON + 2 * HOUR, "failed") is False
    again = join_incident(store, "m", "run", NOON, "reason", {})
    assert (again.closed_at, again.outcome) == (NOON + HOUR, "kept_champion")


def test_a_retraining_ends_once_and_keeps_its_first_outcome(store: Store) -> None:
    incident = join_incident(store, "m", "run", NOON, "reason", {})
    run_id = name_retraining("m", incident.incident_id)
    start_retraining(store, run_id, "m", incident.incident_id, NOON, cost=3)
    start_retraining(store, run_id, "m", incident.incident_id, NOON + HOUR)
    assert find_ended(store, "m", NOON + 9 * HOUR) == []
    kept = ("promoted", "better by 12 %")
    assert finish_retraining(store, "m", run_id, NOON + HOUR, "promoted", "better by 12 %", version=2) == kept
    assert finish_retraining(store, "m", run_id, NOON + 5 * HOUR, "failed", "repeated", None) == kept
    assert find_ended(store, "m", NOON + 9 * HOUR) == [(NOON + HOUR, "promoted", 3.0)]
    assert find_ended(store, "m", NOON) == find_ended(store, "n", NOON + 9 * HOUR) == []


def test_a_failed_retraining_tells_what_its_first_failed_task_noted(store: Store) -> None:
    incident = join_incident(store, "m", "run", NOON, "reason", {})
    start_retraining(store, "run_1", "m", incident.incident_id, NOON)
    note_failure(store, "m", "run_1", "dataset: 3 labelled rows are known")
    note_failure(store, "m", "run_1", "roll_back: there is nothing to roll back")
    assert finish_retraining(store, "m", "run_1", NOON + HOUR, "failed", "task dataset failed", None) == (
        "failed",
        "dataset: 3 labelled rows are known",
    )
    close_incident(store, incident.incident_id, NOON + HOUR, "failed")
    closed = store.fetch("lineage/timeline", model="m")[-1]
    assert (closed["event"], closed["detail"]) == ("incident closed", "failed: dataset: 3 labelled rows are known")


def test_a_failure_that_was_overcome_is_not_told(store: Store) -> None:
    start_retraining(store, "run_1", "m", None, NOON)
    note_failure(store, "m", "run_1", "image: the disk is full")
    assert finish_retraining(store, "m", "run_1", NOON + HOUR, "promoted", "the challenger serves", 2) == (
        "promoted",
        "the challenger serves",
    )


def test_a_retraining_that_never_started_cannot_end(store: Store) -> None:
    with pytest.raises(StoreError, match="retraining 'nobody' of m is not in the store"):
        finish_retraining(store, "m", "nobody", NOON, "failed", "reason", version=None)


def find_ended(store: Store, model: str, before: datetime) -> list[tuple[datetime, str, float]]:
    rows = store.fetch("policy/retrainings", model=model, before=before, newest=2)
    return [(row["ended_at"], row["outcome"], row["cost"]) for row in rows]


def _count_alarms(store: Store) -> int:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM incident_alarm")
        (count,) = cursor.fetchone() or (0,)
    return int(count)
