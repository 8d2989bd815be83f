"""The one sentence about a model: retrain, wait or hold, why, and what would change the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from cyclone.names import name_dag
from cyclone.policy.decisions import Cause
from cyclone.policy.holds import describe_remedy
from cyclone.wording import capitalise, count_of, finish_sentence, format_number, format_percent

Row = Mapping[str, Any]

TONES: dict[str, str] = {"Retrain": "bad", "Wait": "good", "Hold": "warn", "Not decided": "none"}
"""How each answer is coloured. The word itself stands beside the colour."""
WORDS: dict[str, str] = {"retrain": "Retrain", "wait": "Wait", "hold": "Hold"}
"""What a decision's action is called as an answer."""
CALM = "no retraining: "
"""How the reason of a decision begins that starts nothing. The word beside it says as much."""


@dataclass(frozen=True)
class DailyAnswer:
    """The answer to "should I retrain today?". `changes` says what would change it, one sentence each."""

    word: str
    why: str
    changes: Sequence[str] = field(default_factory=tuple)
    at: datetime | None = None
    asked_by: str | None = None

    @property
    def tone(self) -> str:
        return TONES[self.word]


def find_answer(model: str, status: Row, decision: Row | None, under_way: Row, holds: Sequence[Row]) -> DailyAnswer:
    """The answer from what the store has: the model's status, its newest decision, what is under way, open holds."""
    warnings = _find_warnings(model, status)
    if under_way["incident_id"] is not None:
        why = f"Incident {under_way['incident_id']} is open: {under_way['reason']}"
        changes = [*_tell_way(under_way), *_tell_remedies(model, holds), *warnings]
        return DailyAnswer("Retrain", finish_sentence(why), changes, under_way["opened_at"])
    if holds:
        why = ". ".join(capitalise(hold["reason"].removeprefix(CALM)) for hold in holds)
        return DailyAnswer(
            "Hold", finish_sentence(why), [*_tell_remedies(model, holds), *warnings], holds[0]["opened_at"]
        )
    if decision is None:
        why = f"The monitor of {model} has not decided yet."
        changes = [f"Each run of {name_dag('monitor', model)} decides. In Airflow a new DAG may be paused."]
        return DailyAnswer("Not decided", why, [*changes, *warnings])
    why = capitalise(decision["reason"].removeprefix(CALM))
    word = WORDS[decision["action"]]
    changes = _tell_distance(status) if word == "Wait" else _tell_cause(model, decision)
    return DailyAnswer(word, finish_sentence(why), [*changes, *warnings], decision["at"], decision["asked_by"])


def _tell_way(under_way: Row) -> list[str]:
    """How far the answer to an incident is."""
    if under_way.get("question") is not None:
        until = f"Without an answer it is refused at {under_way['deadline'].astimezone(UTC):%Y-%m-%d %H:%M} UTC."
        return [under_way["question"], until]
    if under_way["version"] is not None and under_way["state"] == "canary":
        version, percent = under_way["version"], under_way["traffic_percent"]
        return [f"Version {version} is in its canary with {percent} % of the traffic. It takes all of it if it passes."]
    if under_way["version"] is not None:
        return [f"Version {under_way['version']} is made and is rehearsed. Its canary comes next."]
    if under_way["started_at"] is not None:
        return ["A retraining is under way. The version that serves stays if the gate finds the new one worse."]
    return ["No retraining has begun yet. The monitor's next run starts it."]


def _tell_distance(status: Row) -> list[str]:
    """How much the error has to rise until the policy retrains, or what is missing to judge it."""
    error, limit = status["error"], status["error_limit"]
    if status["version"] is None:
        return ["A first version has to be trained: request a retraining."]
    if not status["is_judged"] or error is None or limit is None:
        wanted = _count(status["error_minimum_days"], status["error_minimum_rows"])
        return [f"The error is judged from {wanted} on. It has {_count(status['judged_days'], status['judged_rows'])}."]
    if error > limit:
        return [f"A typical day's error {format_number(error)} is above the limit {format_number(limit)} by now."]
    # The reason tells by which trigger it may come. The error's limit holds whatever a gain is expected to be.
    rise = format_percent(limit / error - 1) if error else "any amount"
    return [f"The limit of a typical day's error is {format_number(limit)}, {rise} more than today."]


def _count(days: int | None, rows: int | None) -> str:
    return f"{count_of(days or 0, 'labelled day')} and {count_of(rows or 0, 'label')}"


def _tell_cause(model: str, decision: Row) -> list[str]:
    cause = decision["cause"]
    return [finish_sentence(capitalise(describe_remedy(cause, model)))] if cause in get_args(Cause) else []


def _tell_remedies(model: str, holds: Sequence[Row]) -> list[str]:
    known = [hold["cause"] for hold in holds if hold["cause"] in get_args(Cause)]
    return [finish_sentence(capitalise(describe_remedy(cause, model))) for cause in dict.fromkeys(known)]


def _find_warnings(model: str, status: Row) -> list[str]:
    """What makes every answer doubtful."""
    if status["is_unwatched"]:
        return [f"The monitor does not run, so this may be old: look at {name_dag('monitor', model)} in Airflow."]
    return []
