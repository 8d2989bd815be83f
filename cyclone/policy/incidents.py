"""Incidents: one open reason to retrain a model, joined by any number of alarms, answered once."""

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
    """`is_new`: this very call opened it. `closed_at` and `outcome` are None while it is open."""

    incident_id: int
    model: str
    opened_at: datetime
    closed_at: datetime | None
    outcome: Outcome | None
    reason: str
    is_new: bool = False


def join_incident(
    store: Store, model: str, source: str, at: datetime, reason: str, detail: Mapping[str, Any]
) -> Incident:
    """Join the model's open incident, or open one.

    `source` names one alarm (a monitor's run, an alert with its start, a person's request): the same source
    twice is the same alarm, also after its incident was closed. An alarm about a time when an incident was
    open belongs to that one, even if it comes after the closing: it has been answered.
    """
    with store.transaction() as transaction:
        row = transaction.fetch_one("policy/incident_answered", model=model, source=source, at=at)
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


def find_open_incident(store: Store, model: str) -> Incident | None:
    return _read_incident(store, model=model)


def find_unanswered_incident(store: Store, model: str, held: Cause | None = None) -> int | None:
    """The number of the open incident that no retraining has begun to answer, nor need wait for what is `held`."""
    row = store.fetch_one("policy/incident_unanswered", model=model, held=held)
    return int(row["incident_id"]) if row else None


def close_incident(store: Store, incident_id: int, at: datetime, outcome: Outcome) -> bool:
    """Whether this call closed it; an incident is closed once and keeps its first outcome."""
    return store.run("policy/incident_close", incident_id=incident_id, at=at, outcome=outcome) == 1


def find_named_incident(store: Store, model: str, run_id: str) -> int | None:
    """The number of the incident that `name_retraining` named a run after: one that is open, or that it answered."""
    number = read_incident(model, run_id)
    if number is None:
        return None
    row = store.fetch_one("policy/incident_named", model=model, incident_id=number, run_id=run_id)
    return number if row else None


def start_retraining(
    store: Store, run_id: str, model: str, incident_id: int | None, at: datetime, cost: float = 1.0
) -> None:
    """Record that a retraining began; a repeated start keeps the first. `cost` is what it takes of the budget."""
    store.run("policy/retraining_start", run_id=run_id, model=model, incident_id=incident_id, at=at, cost=cost)


def finish_retraining(
    store: Store, run_id: str, at: datetime, outcome: Outcome, reason: str, version: int | None
) -> tuple[Outcome, str]:
    """Record how a retraining ended; what is kept: the first end's outcome and reason, or what a failed task noted.

    Errors: `StoreError` when the run was never started.
    """
    row = store.fetch_one(
        "policy/retraining_finish", run_id=run_id, at=at, outcome=outcome, reason=reason, version=version
    )
    if row is None:
        raise StoreError(f"retraining {run_id!r} is not in the store: it has to be started before it ends")
    return row["outcome"], row["reason"]


def finish_lost_retraining(store: Store, run_id: str, at: datetime) -> tuple[Outcome, str]:
    """End a retraining that cannot end itself any more as its release did: what it promoted serves on."""
    lost = f"the Airflow run {run_id} ended without closing its incident"
    release = release_of_run(store, run_id)
    if release is not None and release.promoted_at is not None and release.state != "rolled_back":
        return finish_retraining(store, run_id, at, "promoted", f"the challenger serves; {lost}", release.version)
    return finish_retraining(store, run_id, at, "failed", lost, release.version if release else None)


def find_retraining(store: Store, incident_id: int) -> str | None:
    """The run that answers an incident; None while none has begun to."""
    row = store.fetch_one("policy/retraining_owner", incident_id=incident_id)
    return str(row["run_id"]) if row else None


def note_failure(store: Store, run_id: str, reason: str) -> None:
    """Note what failed a retraining, for its end to tell; the first note stays."""
    store.run("policy/retraining_note", run_id=run_id, reason=reason)


def _read_incident(
    source: Store | Transaction, incident_id: int | None = None, model: str | None = None
) -> Incident | None:
    row = source.fetch_one("policy/incident", incident_id=incident_id, model=model)
    return Incident(**row) if row else None
