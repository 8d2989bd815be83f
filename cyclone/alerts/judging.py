"""What an alert may do, decided from its own values and the model's spec."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from cyclone.alerts.payload import ACTION_LABEL, MODEL_LABEL, Alert
from cyclone.sections import AlertAction
from cyclone.spec import ModelSpec

ACTIONS: tuple[AlertAction, ...] = get_args(AlertAction)
OF_NO_RULE = ("TestAlert", "DatasourceError", "DatasourceNoData")
"""Names of alerts that Grafana makes itself: of its test button, and of a rule whose query failed or found nothing.

They carry the labels of the rule, but say nothing about a model.
"""
WITHOUT_VALUE = ("Error", "NoData")
"""Grafana's reasons for an alert that fires although its query failed or found nothing."""

MOST_AHEAD = timedelta(minutes=5)
"""How far the begin of an alert may be ahead of our clock. It is what the clocks of a signed request may differ by."""

AlertResult = Literal["retrain", "wait", "hold", "done", "failed", "noted", "recorded", "ignored", "refused"]
"""What became of an alert.

The first three are the policy's decision on a retraining. `done` and `failed` tell of a recalibration or a roll-back.
`noted` is an alert that asks for nothing. `recorded` waits for the monitor. `ignored` is none of Cyclone's business.
`refused` would be, but cannot be acted on.
"""


@dataclass(frozen=True)
class AlertAnswer:
    """What became of one alert of a group, and why. Incident and run are of the retraining that answers it."""

    alert: str
    model: str
    action: str
    result: AlertResult
    reason: str
    incident: int | None = None
    run: str | None = None
    times: int = 0
    """How often the alert has come, this time included. 0 if it was not recorded."""


def find_objection(alert: Alert | None, spec: ModelSpec | None, now: datetime) -> tuple[AlertResult, str] | None:
    """Why an alert of a group does nothing, or None when it may act.

    `spec` is that of its model, if there is one. `now` is the wall time.
    """
    if alert is None:
        return "refused", "it is no alert: an object with labels is needed"
    if not alert.is_of_cyclone:
        return "ignored", f"it has no label {ACTION_LABEL}"
    if not alert.is_firing:
        return "ignored", "it is resolved"
    if alert.name in OF_NO_RULE:
        return "ignored", f"a {alert.name} says nothing about a model"
    if any(word in alert.state_reason for word in WITHOUT_VALUE):
        return "ignored", f"it fires because of {alert.state_reason}, and not for a value"
    if alert.action not in ACTIONS:
        return "refused", f"label {ACTION_LABEL} is {alert.action!r}, allowed are {', '.join(ACTIONS)}"
    if spec is None:
        return "refused", f"label {MODEL_LABEL} is {alert.model!r}, and no such model can be used here"
    if alert.action not in spec.webhook.actions:
        allowed = ", ".join(spec.webhook.actions) or "nothing"
        return "refused", f"webhook.actions of {spec.name} allows {allowed}, and not {alert.action}"
    return _find_unsound(alert, now)


def _find_unsound(alert: Alert, now: datetime) -> tuple[AlertResult, str] | None:
    """What is wrong with the identity of an alert."""
    if not alert.fingerprint:
        return "refused", "its fingerprint is missing, or is not 1 to 64 letters and digits"
    if alert.started_at is None:
        return "refused", "its startsAt is no time with a zone, such as 2026-11-30T10:00:00Z"
    if alert.started_at > now + MOST_AHEAD:
        most = MOST_AHEAD.seconds // 60
        begun = f"its startsAt {alert.started_at:%Y-%m-%dT%H:%M:%SZ} is more than {most} minutes ahead of this clock"
        return "refused", f"{begun}. Synchronise the clocks"
    return None
