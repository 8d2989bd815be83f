"""The procedure that answers a webhook: each alert of a group is judged, recorded, and weighed if there is time."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from cyclone.alerts.judging import AlertAnswer, find_objection
from cyclone.alerts.payload import AlertGroup
from cyclone.alerts.records import (
    Identity,
    StoredAlert,
    build_answer,
    find_begun,
    find_identity,
    read_answer,
    record,
    weigh_alert,
)
from cyclone.clock import read_now
from cyclone.errors import ConfigurationError, CycloneError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store

PATIENCE_SECONDS = 5
"""How long one statement may take. The sender waits 30 s, and Postgres answers these in milliseconds."""
WEIGHING_SECONDS = 0.5
"""The time for the policy's answers to a group. What is not weighed by then waits for the monitor."""
MODEL_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

Wake = Callable[[str, str], bool]
"""Starts a run of a model's monitor under an id, unless there is one. False when Airflow cannot be asked."""
log = logging.getLogger("cyclone.alerts")


def receive(settings: Settings, group: AlertGroup, wake: Wake, signed_at: datetime | None) -> list[AlertAnswer]:
    """Judge, record and answer each alert of a group. It may be repeated: a known alert is the same alert.

    `signed_at` is the time of the request's signature, by which a replay is known. None for a request with a key.
    Errors: `StoreError` when Postgres does not answer. Nothing was recorded then.
    """
    until = time.monotonic() + WEIGHING_SECONDS
    specs = {name: _find_spec(settings, name) for name in {item.model for item in group.alerts if item}}
    now = datetime.now(UTC)
    judged = [(item, find_objection(item, specs[item.model] if item else None, now)) for item in group.alerts]
    acting = [item for item, found in judged if item and not found]
    known = {}
    if acting:
        with Store(settings.store_dsn, PATIENCE_SECONDS).connected() as store:
            nows = {name: read_now(store, settings, name) for name in {item.model for item in acting}}
            stored = record(store, group.sender, [(item, nows[item.model]) for item in acting], signed_at)
            known = _answer_all(store, specs, stored, until, wake)
    answers = []
    for item, found in judged:
        if found:
            answers.append(AlertAnswer(*((item.name, item.model, item.action) if item else ("", "", "")), *found))
        elif item:
            answers.append(known[find_identity(item)])
    return answers


def _find_spec(settings: Settings, name: str) -> ModelSpec | None:
    """The spec of a model that a label names. None for any text that names no usable model."""
    if not MODEL_NAME.fullmatch(name):
        return None
    try:
        return find_model(settings.models_dir, name)
    except ConfigurationError as error:
        log.warning("an alert names the model %s: %s", name, error)
        return None


def _answer_all(
    store: Store,
    specs: Mapping[str, ModelSpec | None],
    stored: Mapping[Identity, StoredAlert],
    until: float,
    wake: Wake,
) -> dict[Identity, AlertAnswer]:
    """Answer each alert that is recorded, and start what is due."""
    answered = {}
    for identity, alert in stored.items():
        spec = specs[alert.model]
        assert spec is not None, "an alert of no model may not act"
        answered[identity] = _answer(store, spec, alert, until)
    return _start_runs(store, stored, answered, wake)


def _answer(store: Store, spec: ModelSpec, alert: StoredAlert, until: float) -> AlertAnswer:
    """The answer to an alert. It is `recorded` where the policy has no time or fails. The monitor answers it then."""
    try:
        if alert.action == "retrain" and alert.answer is None and time.monotonic() < until:
            weighed = weigh_alert(store, spec, alert, alert.at)
            alert = replace(alert, answer=weighed.decision.action, reason=weighed.describe_refusal(spec.name))
        return read_answer(store, alert)
    except CycloneError as error:
        log.warning("%s of %s is recorded, and could not be weighed: %s", alert.source, alert.model, error)
        return build_answer(alert, None)


def _start_runs(
    store: Store, stored: Mapping[Identity, StoredAlert], answered: Mapping[Identity, AlertAnswer], wake: Wake
) -> dict[Identity, AlertAnswer]:
    """Wake the monitors that have something to do, each once, and say so in the answers."""
    try:
        begun = find_begun(store, answered.values())
    except CycloneError as error:
        log.warning("whether retrainings have begun could not be read: %s", error)
        begun = set()  # a run for nothing costs a run
    waiting = [alert for identity, alert in stored.items() if answered[identity].result == "recorded"]
    runs: dict[tuple[str, str], bool] = {}
    told = {}
    for identity, answer in answered.items():
        if answer.incident not in begun if answer.incident else answer.result == "recorded":
            first = min((alert.alert_id for alert in waiting if alert.model == answer.model), default=0)
            run = (answer.model, f"alert__incident_{answer.incident}" if answer.incident else f"alert__{first}")
            if run not in runs:
                runs[run] = wake(*run)
            words = f"The monitor's {f'run {run[1]}' if runs[run] else 'next run'} "
            words += "starts it" if answer.incident else "answers it"
            answer = replace(answer, reason=". ".join(filter(None, [answer.reason, words])))
        told[identity] = answer
    return told
