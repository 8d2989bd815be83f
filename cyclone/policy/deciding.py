"""The one procedure by which an alarm is decided on: a monitor's run and a request go the same way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cyclone.checks.verdicts import CheckResult
from cyclone.names import name_retraining
from cyclone.policy.decisions import Decision
from cyclone.policy.evidence import collect_evidence, record_decision
from cyclone.policy.facts import Evidence, Request
from cyclone.policy.holds import keep_holds
from cyclone.policy.incidents import Incident, find_open_incident, find_unanswered_incident, join_incident
from cyclone.policy.rules import decide
from cyclone.spec import ModelSpec
from cyclone.store import Store


@dataclass(frozen=True)
class Alarm:
    """Who wants to know whether a retraining is due: a monitor's run with its verdicts, or a request.

    `source` names it: the same source twice is the same alarm.
    """

    source: str
    results: Sequence[CheckResult] = ()
    request: Request | None = None

    def to_json(self) -> dict[str, Any]:
        """What the incident keeps of it."""
        if self.request is None:
            return {"failed": [result.to_json() for result in self.results if result.verdict == "failed"]}
        asked = self.request
        return {"asked_by": asked.asked_by, "because": asked.because, "despite": list(asked.despite)}


def weigh(store: Store, spec: ModelSpec, alarm: Alarm, at: datetime) -> tuple[Evidence, Decision]:
    """What the policy says at a moment, and what it rests on. Nothing is recorded.

    A request joins the open incident whatever else stands against it. Broken upstream data hold it all the same: the
    run that asks might start at once.
    """
    evidence = collect_evidence(store, spec, alarm.results, at, [alarm.request] if alarm.request else [])
    decision = decide(spec, evidence)
    if alarm.request and decision.cause != "upstream" and find_open_incident(store, spec.name) is not None:
        decision = Decision("retrain", f"requested by {alarm.request.asked_by}: joins the open incident")
    return evidence, decision


def carry_out(store: Store, spec: ModelSpec, alarm: Alarm, evidence: Evidence, decision: Decision) -> Incident | None:
    """Keep the holds, join or open the incident, record the decision; the incident, None where none is due.

    In this order: whoever finds the incident may start its retraining, so by then the holds have to be those of this
    decision. What dies in between leaves no incident, and asking again does the rest.
    """
    keep_holds(store, spec, evidence, decision, alarm.source)
    incident = None
    if decision.should_retrain:
        incident = join_incident(store, spec.name, alarm.source, evidence.now, decision.reason, alarm.to_json())
    number = incident.incident_id if incident else None
    record_decision(store, evidence, spec.name, alarm.source, decision, number, alarm.request)
    return incident


def find_due_run(store: Store, spec: ModelSpec, decision: Decision, incident: Incident | None) -> str | None:
    """The run that a monitor has to start: of its own incident, or of one that was asked for and nothing has started.

    While upstream data are broken the latter waits, unless a person asked in spite of them.
    """
    if incident is not None:
        return name_retraining(spec.name, incident.incident_id)
    waiting = find_unanswered_incident(store, spec.name, "upstream" if decision.cause == "upstream" else None)
    return name_retraining(spec.name, waiting) if waiting else None
