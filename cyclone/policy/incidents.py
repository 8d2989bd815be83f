"""Incidents: open reasons to retrain a model.

Any number of alarms join an incident, and one retraining answers it. A model has at most one open incident.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from cyclone.errors import StoreError
from cyclone.names import read_incident
from cyclone.policy.decisions import Cause
from cyclone.releases import release_of_run
from cyclone.store import Store, Transaction

Outcome = Literal["promoted", "kept_champion", "failed"]


@dataclass(frozen=True)
class Incident:
    """One reason to retrain a model. `closed_at` and `outcome` are None while it is open. Times are event time.

    `is_new` tells whether the call that returned it has opened it.
    """

    incident_id: int
    model: str
    opened_at: datetime
    closed_at: datetime | None
    outcome: Outcome | None
    reason: str
    is_new: bool = False


def join_incident(
    store: Store,
    model: str,
    source: str,
    at: datetime,
    reason: str,
    detail: Mapping[str, Any],
    waited_seconds: float = 0.0,
) -> Incident:
    """Join the model's open incident, or open one.

    `source` is the name of one alarm: a monitor run, an alert with its start, or a person's request. The same source
    twice is the same alarm, even after its incident was closed. If its `detail` is another one, both are kept.
    An alarm about a time when an incident was open joins that incident, even if the alarm comes after the closing. That
    incident has answered it already. So has one that was closed in the `waited_seconds` of wall time before now.
    """
    with store.transaction() as transaction:
        row = _find_answered(transaction, model, source, at, waited_seconds)
        if row is None:
            row = transaction.fetch_one("policy/incident_open", model=model, at=at, reason=reason)
        assert row is not None, "the statement opens an incident or returns the open one"
        incident = _read_incident(transaction, incident_id=row["incident_id"])
        assert incident is not None, "it has just been found or opened"
        transaction.run(
            "policy/incident_add_alarm",
            incident_id=row["incident_id"],
            source=source,
            at=at,
            detail=json.dumps(dict(detail)),
        )
    return replace(incident, is_new=row.get("is_new", False))


def is_answered(store: Store, model: str, source: str, at: datetime, waited_seconds: float) -> bool:
    """Whether an alarm belongs to a closed incident, by the rules of `join_incident`."""
    with store.transaction() as transaction:
        return _find_answered(transaction, model, source, at, waited_seconds) is not None


def _find_answered(
    transaction: Transaction, model: str, source: str, at: datetime, waited_seconds: float
) -> dict[str, Any] | None:
    asked = {"model": model, "source": source, "at": at, "waited_seconds": waited_seconds}
    return transaction.fetch_one("policy/incident_answered", **asked)


def find_open_incident(store: Store, model: str) -> Incident | None:
    """The open incident of a model, or None."""
    return _read_incident(store, model=model)


def find_unanswered_incident(store: Store, model: str, held: Cause | None = None) -> int | None:
    """The number of the open incident that still needs a retraining, or None.

    During a hold, only an incident that a person requested despite the cause of the hold is returned.
    """
    row = store.fetch_one("policy/incident_unanswered", model=model, held=held)
    return int(row["incident_id"]) if row else None


def close_incident(store: Store, incident_id: int, at: datetime, outcome: Outcome) -> bool:
    """Close an incident. True if this call closed it, or gave it a better outcome after its retraining ran again."""
    return store.run("policy/incident_close", incident_id=incident_id, at=at, outcome=outcome) == 1


def find_named_incident(store: Store, model: str, run_id: str) -> int | None:
    """The number of the incident in a run id that `name_retraining` made, or None.

    The incident has to be open, or answered by that run.
    """
    number = read_incident(model, run_id)
    if number is None:
        return None
    row = store.fetch_one("policy/incident_named", model=model, incident_id=number, run_id=run_id)
    return number if row else None


def start_retraining(
    store: Store, run_id: str, model: str, incident_id: int | None, at: datetime, cost: float = 1.0
) -> None:
    """Record that a retraining began. A repeated start keeps the first record. `cost` is in the budget's unit.

    If the retraining had ended and was cleared in Airflow, its end is taken back, because it goes on.
    """
    with store.transaction() as transaction:
        begun = {"run_id": run_id, "model": model, "incident_id": incident_id, "at": at, "cost": cost}
        transaction.run("policy/retraining_start", **begun)
        transaction.run("policy/retraining_reopen", model=model, run_id=run_id)


def finish_retraining(
    store: Store, model: str, run_id: str, at: datetime, outcome: Outcome, reason: str, version: int | None
) -> tuple[Outcome, str]:
    """Record how a retraining ended, and return the outcome and reason that the store keeps.

    A repeated end keeps the first one, unless it brought more: a promotion counts more than a kept champion, and either
    counts more than a failure. A failure that a task has noted is kept as the reason.
    Errors: `StoreError` when the run was never started.
    """
    ended = {"at": at, "outcome": outcome, "reason": reason, "version": version}
    row = store.fetch_one("policy/retraining_finish", model=model, run_id=run_id, **ended)
    if row is None:
        raise StoreError(
            f"retraining {run_id!r} of {model} is not in the store: clear its Airflow run from the first task on"
        )
    return row["outcome"], row["reason"]


def finish_lost_retraining(store: Store, model: str, run_id: str, at: datetime) -> tuple[Outcome, str]:
    """Record the end of a retraining whose Airflow run is gone. Return the outcome and reason that the store keeps.

    The outcome is `promoted` if its challenger serves, else `failed`.
    """
    lost = f"the Airflow run {run_id} ended without closing its incident"
    release = release_of_run(store, model, run_id)
    if release is not None and release.promoted_at is not None and release.state != "rolled_back":
        serving = f"the challenger serves, but {lost}"
        return finish_retraining(store, model, run_id, at, "promoted", serving, release.version)
    return finish_retraining(store, model, run_id, at, "failed", lost, release.version if release else None)


def list_unfinished_retrainings(store: Store, model: str) -> list[str]:
    """The runs that were cleared after their incident was closed, and have not ended again."""
    return [row["run_id"] for row in store.fetch("policy/retrainings_unfinished", model=model)]


def find_retraining(store: Store, incident_id: int) -> str | None:
    """The id of the run that answers an incident. None while no run has begun to answer it."""
    row = store.fetch_one("policy/retraining_owner", incident_id=incident_id)
    return str(row["run_id"]) if row else None


def note_failure(store: Store, model: str, run_id: str, reason: str) -> None:
    """Note why a retraining failed. `finish_retraining` takes it as the reason. The first note stays."""
    store.run("policy/retraining_note", model=model, run_id=run_id, reason=reason)


def _read_incident(
    source: Store | Transaction, incident_id: int | None = None, model: str | None = None
) -> Incident | None:
    row = source.fetch_one("policy/incident", incident_id=incident_id, model=model)
    return Incident(**row) if row else None
