"""Ends that are taken back when an Airflow run is cleared, and questions that belong to the time of their trigger."""

from datetime import UTC, datetime, timedelta

import pytest

from cyclone.errors import StaleReleaseError
from cyclone.policy.evidence import collect_evidence
from cyclone.policy.facts import Request
from cyclone.policy.incidents import (
    close_incident,
    finish_retraining,
    join_incident,
    list_unfinished_retrainings,
    start_retraining,
)
from cyclone.policy.requests import ask
from cyclone.policy.rules import find_stops
from cyclone.releases import (
    create_candidate,
    current_release,
    mark_rolled_back,
    promote_release,
    release_of_run,
    releases_under_way,
)
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone_airflow.monitor_tasks import MonitorRun, close_if_lost
from tests.support.statements import execute

NOW = datetime(2011, 3, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MODEL = "bike_demand"
ADA = Request("Ada", is_person=True)


def fail(store: Store, run_id: str, at: datetime) -> int:
    """A retraining that failed, with its incident closed. The number of the incident."""
    incident = join_incident(store, MODEL, f"alarm of {run_id}", at, "the error is high", {})
    start_retraining(store, run_id, MODEL, incident.incident_id, at)
    finish_retraining(store, MODEL, run_id, at, "failed", "the disk is full", None)
    close_incident(store, incident.incident_id, at, "failed")
    return incident.incident_id


def find_causes(store: Store, spec: ModelSpec) -> list[str]:
    return [stop.cause for stop in find_stops(spec, collect_evidence(store, spec, [], NOW))]


def note_candidate(store: Store, run_id: str, version: int) -> None:
    create_candidate(store, MODEL, version, f"bike-demand-v{version}", "image", "digest", run_id, NOW - DAY)


def promote_run(store: Store, run_id: str, at: datetime = NOW - DAY) -> None:
    release = release_of_run(store, MODEL, run_id)
    assert release is not None
    promote_release(store, release, at)


def test_a_failed_run_that_is_cleared_and_then_promotes_holds_nothing(store: Store, bike_demand: ModelSpec) -> None:
    fail(store, "run_1", NOW - 9 * DAY)
    incident_id = fail(store, "run_2", NOW - 8 * DAY)
    assert find_causes(store, bike_demand) == ["failures"]
    note_candidate(store, "run_2", 2)
    promote_run(store, "run_2")
    end = finish_retraining(store, MODEL, "run_2", NOW - DAY, "promoted", "the challenger serves", 2)
    assert end == ("promoted", "the challenger serves")
    assert close_incident(store, incident_id, NOW - DAY, "promoted")
    assert find_causes(store, bike_demand) == []
    assert execute(store, "SELECT outcome, closed_at FROM incident ORDER BY incident_id") == [
        ("failed", NOW - 9 * DAY),
        ("promoted", NOW - 8 * DAY),
    ]


def test_what_was_promoted_counts_although_nobody_closed_the_run_again(store: Store, bike_demand: ModelSpec) -> None:
    fail(store, "run_1", NOW - 9 * DAY)
    fail(store, "run_2", NOW - 8 * DAY)
    note_candidate(store, "run_2", 2)
    finish_retraining(store, MODEL, "run_2", NOW - 8 * DAY, "failed", "the scheduler died", 2)
    promote_run(store, "run_2", at=NOW - DAY)
    rows = store.fetch("policy/retrainings", model=MODEL, before=NOW, newest=2)
    assert [(row["outcome"], row["ended_at"]) for row in rows] == [
        ("failed", NOW - 9 * DAY),
        ("promoted", NOW - DAY),
    ]
    rows = store.fetch("policy/retrainings", model=MODEL, before=NOW - 2 * DAY, newest=2)
    assert [row["outcome"] for row in rows] == ["failed", "failed"]  # as it was known then
    assert find_causes(store, bike_demand) == []


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("failed", "kept_champion", "kept_champion"),
        ("kept_champion", "promoted", "promoted"),
        ("kept_champion", "failed", "kept_champion"),
        ("promoted", "failed", "promoted"),
        ("promoted", "kept_champion", "promoted"),
    ],
)
def test_a_later_end_counts_if_it_brought_more(store: Store, first: str, second: str, kept: str) -> None:
    incident = join_incident(store, MODEL, "alarm", NOW, "the error is high", {})
    start_retraining(store, "run_1", MODEL, incident.incident_id, NOW)
    for outcome in (first, second):
        finish_retraining(store, MODEL, "run_1", NOW, outcome, outcome, 2)  # type: ignore[arg-type]
        close_incident(store, incident.incident_id, NOW, outcome)  # type: ignore[arg-type]
    assert execute(store, "SELECT outcome, reason FROM retraining") == [(kept, kept)]
    assert execute(store, "SELECT outcome FROM incident") == [(kept,)]


def test_the_candidate_of_a_cleared_run_is_led_until_the_run_ends_again(store: Store) -> None:
    fail(store, "run_1", NOW - 2 * DAY)
    assert list_unfinished_retrainings(store, MODEL) == []
    note_candidate(store, "run_1", 1)
    led, abandoned = releases_under_way(store, MODEL)
    assert ([release.version for release in led], abandoned) == ([1], [])
    assert list_unfinished_retrainings(store, MODEL) == ["run_1"]
    finish_retraining(store, MODEL, "run_1", NOW, "failed", "again", 1)
    led, abandoned = releases_under_way(store, MODEL)
    assert (led, [release.version for release in abandoned]) == ([], [1])


@pytest.mark.parametrize("is_cleared_from_start", [True, False])
def test_a_cleared_run_may_deploy_once_more_what_was_rolled_back(store: Store, is_cleared_from_start: bool) -> None:
    incident = join_incident(store, MODEL, "alarm", NOW - 2 * DAY, "the error is high", {})
    start_retraining(store, "run_1", MODEL, incident.incident_id, NOW - 2 * DAY)
    note_candidate(store, "run_1", 1)
    first = release_of_run(store, MODEL, "run_1")
    assert first is not None
    mark_rolled_back(store, first, NOW - DAY, "a step of the release failed")
    note_candidate(store, "run_1", 1)  # a task that is only tried again finds what was rolled back
    again = release_of_run(store, MODEL, "run_1")
    assert again is not None
    assert (again.release_id, again.state) == (first.release_id, "rolled_back")
    finish_retraining(store, MODEL, "run_1", NOW - DAY, "failed", "the store was away", 1)
    close_incident(store, incident.incident_id, NOW - DAY, "failed")
    if is_cleared_from_start:
        start_retraining(store, "run_1", MODEL, incident.incident_id, NOW)
    note_candidate(store, "run_1", 1)
    promote_run(store, "run_1")
    states = execute(store, "SELECT run_id, state, reason FROM release ORDER BY release_id")
    assert states == [
        (f"run_1__ended_{first.release_id}", "rolled_back", "a step of the release failed"),
        ("run_1", "champion", None),
    ]


def test_an_older_version_of_a_cleared_run_does_not_overtake_the_champion(store: Store) -> None:
    fail(store, "run_2", NOW - 2 * DAY)
    note_candidate(store, "run_3", 3)
    promote_run(store, "run_3")
    note_candidate(store, "run_2", 2)  # cleared only now
    with pytest.raises(StaleReleaseError, match="version 2 was registered before the champion, version 3"):
        promote_run(store, "run_2")
    champion = current_release(store, MODEL)
    assert champion is not None
    assert champion.version == 3


def test_of_two_triggers_in_the_same_second_the_second_joins_although_it_stood_in_a_queue(
    store: Store, bike_demand: ModelSpec
) -> None:
    """Airflow begins the second run when the first has ended. Its question is as old as its trigger."""
    first = ask(store, bike_demand, "manual__1", ADA, NOW)
    assert first.incident_id is not None
    start_retraining(store, "manual__1", MODEL, first.incident_id, NOW)
    finish_retraining(store, MODEL, "manual__1", NOW, "kept_champion", "the gate kept the champion", None)
    close_incident(store, first.incident_id, NOW, "kept_champion")
    waited = Request("Ada", is_person=True, waited_seconds=60)
    second = ask(store, bike_demand, "manual__2", waited, NOW)
    assert second.incident_id == first.incident_id
    assert second.decision.reason == "requested by Ada: joins the incident that was open then"
    execute(store, "UPDATE incident SET answered_at = answered_at - interval '61 seconds'")
    third = ask(store, bike_demand, "manual__3", waited, NOW)
    assert third.incident_id not in (None, first.incident_id)


def test_a_request_that_was_refused_is_weighed_again_when_it_is_asked_again(
    store: Store, bike_demand: ModelSpec
) -> None:
    for number, days in enumerate((9, 8)):
        fail(store, f"run_{number}", NOW - days * DAY)
    refused = ask(store, bike_demand, "manual__1", ADA, NOW)
    assert (refused.decision.cause, refused.incident_id) == ("failures", None)
    later = NOW + 30 * DAY  # the pause is over
    granted = ask(store, bike_demand, "manual__1", ADA, later)
    assert granted.incident_id is not None
    assert execute(store, "SELECT action, at FROM decision") == [("retrain", later)]
    assert ask(store, bike_demand, "manual__1", ADA, later + HOUR) == granted


def test_a_cleared_run_that_was_lost_is_finished_by_the_monitor(settings: Settings, store: Store) -> None:
    fail(store, "run_1", NOW - 2 * DAY)
    note_candidate(store, "run_1", 1)
    run = MonitorRun(MODEL, "monitor", (NOW - DAY).isoformat(), NOW.isoformat())
    close_if_lost(run, lambda dag_id, run_ids, states=(): 1)
    assert list_unfinished_retrainings(store, MODEL) == ["run_1"]
    close_if_lost(run, lambda dag_id, run_ids, states=(): 0)
    lost = "the Airflow run run_1 ended without closing its incident"
    assert execute(store, "SELECT outcome, reason, finished_at FROM retraining") == [("failed", lost, NOW)]
