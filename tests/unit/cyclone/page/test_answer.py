"""The one sentence about a model."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cyclone.page.answer import find_answer

AT = datetime(2026, 11, 30, 6, tzinfo=UTC)
STATUS: dict[str, Any] = {
    "version": 3,
    "is_unwatched": False,
    "error": 10.0,
    "error_limit": 12.0,
    "is_judged": True,
    "error_minimum_days": 3,
    "error_minimum_rows": 24,
    "judged_days": 7,
    "judged_rows": 168,
}
IDLE: dict[str, Any] = {
    "incident_id": None,
    "opened_at": None,
    "reason": None,
    "started_at": None,
    "version": None,
    "traffic_percent": None,
    "state": None,
    "run_id": None,
}
CALM = "no retraining: a typical day's mean_absolute_error 10 over 7 days is 1.25 × the accepted 8"


def decide(action: str, reason: str, cause: str | None = None, asked_by: str | None = None) -> dict[str, Any]:
    return {"at": AT, "action": action, "reason": reason, "cause": cause, "asked_by": asked_by, "incident_id": None}


def test_calm_is_to_wait_with_the_distance_to_the_limit() -> None:
    found = find_answer("demand", STATUS, decide("wait", CALM), IDLE, [])
    assert (found.word, found.tone) == ("Wait", "good")
    assert found.why == "A typical day's mean_absolute_error 10 over 7 days is 1.25 × the accepted 8."
    assert found.changes == ["The limit of a typical day's error is 12, 20 % more than today."]


def test_a_sentence_of_another_form_is_shown_as_it_is() -> None:
    found = find_answer("demand", STATUS, decide("wait", "the debt is 3 of 10, at a rate of 0.2 a day."), IDLE, [])
    assert found.why == "The debt is 3 of 10, at a rate of 0.2 a day."


def test_too_few_labels_say_how_many_are_needed() -> None:
    status = STATUS | {"is_judged": False, "judged_days": 1, "judged_rows": 5}
    (change,) = find_answer("demand", status, decide("wait", CALM), IDLE, []).changes
    assert change == ("The error is judged from 3 labelled days and 24 labels on. It has 1 labelled day and 5 labels.")


def test_a_hold_says_what_a_person_can_do() -> None:
    held = [{"cause": "budget", "reason": "no retraining: 2 of 2 a week are spent", "opened_at": AT}]
    found = find_answer("demand", STATUS, decide("hold", "…", "budget"), IDLE, held)
    assert (found.word, found.why, found.at) == ("Hold", "2 of 2 a week are spent.", AT)
    assert found.changes == ["Wait, raise retrain.budget_per_week, or run `cyclone resume demand --because …`."]


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ({}, "No retraining has begun yet. The monitor's next run starts it."),
        ({"started_at": AT}, "A retraining is under way."),
        ({"started_at": AT, "version": 4, "state": "candidate"}, "Version 4 is made and is rehearsed."),
        (
            {"started_at": AT, "version": 4, "state": "canary", "traffic_percent": 20},
            "Version 4 is in its canary with 20 % of the traffic.",
        ),
    ],
)
def test_an_open_incident_is_to_retrain_and_says_how_far_its_answer_is(way: dict[str, Any], told: str) -> None:
    under_way = IDLE | {"incident_id": 5, "opened_at": AT, "reason": "error 13 is above 12"} | way
    found = find_answer("demand", STATUS, decide("wait", CALM), under_way, [])
    assert (found.word, found.why) == ("Retrain", "Incident 5 is open: error 13 is above 12.")
    assert found.changes[0].startswith(told)


def test_a_model_that_nobody_has_decided_on_says_where_to_look() -> None:
    found = find_answer("demand", STATUS, None, IDLE, [])
    assert (found.word, found.at) == ("Not decided", None)
    assert "monitor__demand" in found.changes[0]


def test_a_monitor_that_stands_still_makes_every_answer_doubtful() -> None:
    found = find_answer("demand", STATUS | {"is_unwatched": True}, decide("wait", CALM), IDLE, [])
    assert "monitor__demand" in found.changes[-1]


@pytest.mark.parametrize("error", [0.0, 12.5, None])
def test_an_error_of_nothing_or_above_its_limit_divides_by_nothing(error: float | None) -> None:
    status = STATUS | {"error": error}
    assert len(find_answer("demand", status, decide("wait", CALM), IDLE, []).changes) == 1


def test_a_cause_of_a_later_release_is_left_out() -> None:
    held = [{"cause": "moon", "reason": "the moon is full", "opened_at": AT}]
    assert find_answer("demand", STATUS, decide("hold", "the moon is full", "moon"), IDLE, held).changes == []
