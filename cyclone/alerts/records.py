"""The alerts in the store, and the policy's answers to them.

An alert is recorded first and answered then, by Airflow's API server if it has the time, or else by the monitor. Both
may be repeated.
"""

import json
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from cyclone.alerts.judging import AlertAnswer, AlertResult
from cyclone.alerts.payload import Alert
from cyclone.names import name_retraining
from cyclone.policy.incidents import find_retraining
from cyclone.policy.requests import RequestAnswer, ask, build_request
from cyclone.spec import ModelSpec
from cyclone.store import Store

Identity = tuple[str, str, str, datetime]


@dataclass(frozen=True)
class StoredAlert:
    """One alert of the store. `at` is event time, `started_at` is by the sender's clock.

    `received_at` is when it began to wait for its answer, by Postgres' clock. Model, action, fingerprint and start are
    its identity. `answer` is None while it waits.
    """

    alert_id: int
    model: str
    action: str
    fingerprint: str
    started_at: datetime
    name: str
    sender: str
    summary: str
    link: str
    at: datetime
    received_at: datetime
    answer: AlertResult | None
    reason: str | None
    times: int

    @property
    def identity(self) -> Identity:
        return self.model, self.action, self.fingerprint, self.started_at

    @property
    def source(self) -> str:
        """The name of the request that the alert makes. It is the same however often the alert comes."""
        return f"alert {self.fingerprint} since {self.started_at.isoformat()}"

    @property
    def asked_by(self) -> str:
        return f"alert {self.name or self.fingerprint}" + (f" of {self.sender}" if self.sender else "")

    @property
    def because(self) -> str:
        return " ".join(filter(None, [self.summary, self.link and f"({self.link})"]))


def find_identity(alert: Alert) -> Identity:
    """The identity of an alert that may act."""
    assert alert.started_at is not None, "an alert without it may not act"
    return alert.model, alert.action, alert.fingerprint, alert.started_at


def record(
    store: Store, sender: str, alerts: Iterable[tuple[Alert, datetime]], signed_at: datetime | None
) -> dict[Identity, StoredAlert]:
    """Record alerts that may act, each with the present of its model. All of them are recorded, or none.

    `signed_at` is the time of the request's signature. None for a request with a key.
    Errors: `StoreError` when Postgres does not answer.
    """
    kept = ("name", "action", "model", "fingerprint", "started_at", "summary", "link")
    items = {
        find_identity(alert): {**{name: value for name, value in asdict(alert).items() if name in kept}, "at": at}
        for alert, at in alerts
    }
    text = json.dumps([{**item, "sender": sender} for item in items.values()], default=datetime.isoformat)
    found = store.fetch("alerts/receive", alerts=text, signed_at=signed_at) if items else []
    rows = [StoredAlert(**row) for row in found]
    return {row.identity: row for row in rows}


def list_waiting(store: Store, model: str) -> list[StoredAlert]:
    """The alerts of a model that nobody has answered, the oldest first."""
    return [StoredAlert(**row) for row in store.fetch("alerts/waiting", model=model)]


def note_answer(store: Store, alert: StoredAlert, answer: AlertResult, reason: str) -> None:
    """Record the answer to an alert."""
    store.run("alerts/answer", alert_id=alert.alert_id, answer=answer, reason=reason)


def note_asked(
    store: Store, model: str, action: str, person: str, because: str, answer: AlertResult, reason: str, at: datetime
) -> None:
    """Record what a person has asked for in Airflow that is no decision on a retraining, with what became of it."""
    store.run(
        "alerts/asked",
        model=model,
        action=action,
        fingerprint=uuid.uuid4().hex,
        name=person,
        summary=because,
        answer=answer,
        reason=reason,
        at=at,
    )


def weigh_alert(store: Store, spec: ModelSpec, alert: StoredAlert, at: datetime) -> RequestAnswer:
    """Ask the policy for the retraining that an alert asks for. Its answer is recorded.

    The alert is as old as its start. So it joins an incident that was closed since then, whose retraining knew of it.
    """
    waited = max(0.0, (datetime.now(UTC) - alert.started_at).total_seconds())
    request = build_request(alert.asked_by, is_person=False, because=alert.because, despite=(), waited_seconds=waited)
    answer = ask(store, spec, alert.source, request, at)
    note_answer(store, alert, answer.decision.action, answer.describe_refusal(spec.name))
    return answer


def weigh_waiting(store: Store, spec: ModelSpec, at: datetime) -> list[StoredAlert]:
    """Answer the alerts that ask for a retraining and have no answer yet. Return those that wait for another action."""
    waiting = list_waiting(store, spec.name)
    for alert in waiting:
        if alert.action == "retrain":
            weigh_alert(store, spec, alert, max(at, alert.at))
    return [alert for alert in waiting if alert.action != "retrain"]


def read_answer(store: Store, alert: StoredAlert) -> AlertAnswer:
    """The answer that the store has for an alert, with the incident if it is part of one."""
    if alert.action != "retrain" or alert.answer is None:
        return build_answer(alert, None)
    known = store.fetch_one("policy/decision_of_run", model=alert.model, run_id=alert.source)
    return build_answer(alert, known["incident_id"] if known else None)


def build_answer(alert: StoredAlert, incident: int | None) -> AlertAnswer:
    """The answer to an alert as far as it is known, which is `recorded` while the alert waits."""
    run = None if incident is None else name_retraining(alert.model, incident)
    result, reason = alert.answer or "recorded", alert.reason or ""
    return AlertAnswer(alert.name, alert.model, alert.action, result, reason, incident, run, alert.times)


def find_begun(store: Store, answers: Iterable[AlertAnswer]) -> set[int]:
    """The incidents among answers whose retraining has begun, or has ended."""
    numbers = {answer.incident for answer in answers if answer.incident is not None}
    return {number for number in numbers if find_retraining(store, number) is not None}
