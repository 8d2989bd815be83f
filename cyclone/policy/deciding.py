"""The procedure that decides on an alarm and carries the decision out.

Monitor runs and requests both go through it.
"""

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
from cyclone.policy.incidents import (
    Incident,
    find_open_incident,
    find_unanswered_incident,
    is_answered,
    join_incident,
)
from cyclone.policy.rules import decide
from cyclone.spec import ModelSpec
from cyclone.store import Store


@dataclass(frozen=True)
class Alarm:
    """One question whether a retraining is due. It comes from a monitor run with its verdicts, or from a request.

    `source` is its name. Two alarms with the same source are the same alarm.
    """

    source: str
    results: Sequence[CheckResult] = ()
    request: Request | None = None

    def to_json(self) -> dict[str, Any]:
        """What the incident keeps of the alarm: the failed verdicts, or who asked and why."""
        if self.request is None:
            return {"failed": [result.to_json() for result in self.results if result.verdict == "failed"]}
        asked = self.request
        return {"asked_by": asked.asked_by, "because": asked.because, "despite": list(asked.despite)}


def weigh(store: Store, spec: ModelSpec, alarm: Alarm, at: datetime) -> tuple[Evidence, Decision]:
    """The policy's decision at a moment, and the evidence for it. Nothing is recorded.

    While an incident is open, a request joins it without a decision of its own. Broken upstream data hold the request
    even then, because the retraining that it asks for might start at once. A request joins a closed incident that was
    open when it was made.
    """
    asked = alarm.request
    evidence = collect_evidence(store, spec, alarm.results, at, [asked] if asked else [])
    decision = decide(spec, evidence)
    if asked and is_answered(store, spec.name, alarm.source, at, asked.waited_seconds):
        decision = Decision("retrain", f"requested by {asked.asked_by}: joins the incident that was open then")
    elif asked and decision.cause != "upstream" and find_open_incident(store, spec.name) is not None:
        decision = Decision("retrain", f"requested by {asked.asked_by}: joins the open incident")
    return evidence, decision


def carry_out(store: Store, spec: ModelSpec, alarm: Alarm, evidence: Evidence, decision: Decision) -> Incident | None:
    """Store a decision: its holds, its incident and its record. Return the incident, or None when none is due.

    It can be repeated after a crash. The same alarm then completes what is missing.
    """
    # Holds come first. Whoever finds the incident may start its retraining, and has to find the holds as well.
    keep_holds(store, spec, evidence, decision, alarm.source)
    incident = None
    if decision.should_retrain:
        waited = alarm.request.waited_seconds if alarm.request else 0.0
        incident = join_incident(store, spec.name, alarm.source, evidence.now, decision.reason, alarm.to_json(), waited)
    number = incident.incident_id if incident else None
    record_decision(store, evidence, spec.name, alarm.source, decision, number, alarm.request)
    return incident


def find_due_run(store: Store, spec: ModelSpec, decision: Decision, incident: Incident | None) -> str | None:
    """The id of the retraining run that a monitor run has to start, or None.

    It answers the monitor's own incident. Without one, it answers the open incident that a request has opened and that
    no run has begun to answer. While upstream data are broken that run waits, unless a person asked despite them.
    """
    if incident is not None:
        return name_retraining(spec.name, incident.incident_id)
    waiting = find_unanswered_incident(store, spec.name, "upstream" if decision.cause == "upstream" else None)
    return name_retraining(spec.name, waiting) if waiting else None
