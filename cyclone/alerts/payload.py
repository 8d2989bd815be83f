"""The body of a webhook: a group of alerts, as Grafana and Alertmanager send it.

Both send the same family of JSON. Keys that are not named here are ignored.
Source: Grafana, "Configure webhook notifications"; Prometheus, "Alerting configuration", webhook_config.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cyclone.errors import AlertError

ACTION_LABEL, MODEL_LABEL = "cyclone", "model"
"""The labels that say what an alert asks for, and of which model."""
MOST_ALERTS = 1000
"""The most alerts of one group. Each is answered by itself, and a group of more is no alarm that a person reads."""
LONGEST_NAME, LONGEST_TEXT = 200, 1000
"""The most characters that are kept of a name, and of a summary or an address."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""The earliest begin of an alert. Grafana writes the year 1 where it has no time."""
Body = bytes | bytearray
"""The body of a request. It may be the buffer into which it was read, so that it is in memory once."""
FINGERPRINT = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True)
class Alert:
    """One alert of a group. A text is empty where the sender gave none.

    `started_at` is by the sender's clock. None if it cannot be read. `is_of_cyclone` tells whether it has the label by
    which it asks for an `action`. `state_reason` is Grafana's word for why it fires, if not for its values.
    """

    name: str
    is_firing: bool
    is_of_cyclone: bool
    action: str
    model: str
    fingerprint: str
    started_at: datetime | None
    state_reason: str = ""
    summary: str = ""
    link: str = ""


@dataclass(frozen=True)
class AlertGroup:
    """The alerts of one webhook. None stands for what is no alert. `truncated` is how many the sender left out.

    `sender` is the address of the Grafana or the Alertmanager, as it says.
    """

    sender: str
    alerts: tuple[Alert | None, ...]
    truncated: int = 0


def read_group(body: Body) -> AlertGroup:
    """The group in a body. The time that it takes is in proportion to its length.

    Errors: `AlertError` when the body is not JSON, or has no list of alerts, or a list of too many.
    """
    try:
        data = json.loads(body)
    except RecursionError as error:
        raise AlertError("the body is nested too deeply: send what Grafana or Alertmanager sends") from error
    except ValueError as error:
        raise AlertError("the body is no JSON: send what Grafana or Alertmanager sends") from error
    alerts = data.get("alerts") if isinstance(data, dict) else None
    if not isinstance(alerts, list):
        raise AlertError("the body has no list `alerts`: send what Grafana or Alertmanager sends")
    if len(alerts) > MOST_ALERTS:
        raise AlertError(f"alerts: {len(alerts)} are in one group, at most {MOST_ALERTS} are read: set maxAlerts")
    truncated = data.get("truncatedAlerts")
    left_out = truncated if isinstance(truncated, int) else 0
    return AlertGroup(_read_address(data.get("externalURL")).rstrip("/"), tuple(map(_read_alert, alerts)), left_out)


def _read_alert(item: Any) -> Alert | None:
    labels = item.get("labels") if isinstance(item, dict) else None
    if not isinstance(labels, dict):
        return None
    annotations = item.get("annotations")
    notes = annotations if isinstance(annotations, dict) else {}
    links = (_read_address(item.get(name)) for name in ("panelURL", "generatorURL", "dashboardURL"))
    fingerprint = item.get("fingerprint")
    is_sound = isinstance(fingerprint, str) and FINGERPRINT.fullmatch(fingerprint)
    return Alert(
        name=clean_text(labels.get("alertname"), LONGEST_NAME),
        is_firing=item.get("status") == "firing",
        is_of_cyclone=ACTION_LABEL in labels,
        action=clean_text(labels.get(ACTION_LABEL), LONGEST_NAME),
        model=clean_text(labels.get(MODEL_LABEL), LONGEST_NAME),
        fingerprint=fingerprint if is_sound else "",
        started_at=_read_time(item.get("startsAt")),
        state_reason=clean_text(notes.get("grafana_state_reason"), LONGEST_NAME),
        summary=clean_text(notes.get("summary") or notes.get("description"), LONGEST_TEXT),
        link=next(filter(None, links), ""),
    )


def clean_text(value: Any, most: int) -> str:
    """A text of one line without invisible characters. What is no text is empty."""
    text = value[:most] if isinstance(value, str) else ""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _read_address(value: Any) -> str:
    """A web address without the name and password that it may hold. Empty for any other text."""
    text = clean_text(value, LONGEST_TEXT)
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _read_time(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        known = moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
    return known if known and known >= EARLIEST else None
