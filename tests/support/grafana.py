"""A sender of webhooks that behaves as Grafana 12 and 13 do, and one that behaves as Alertmanager.

What was read of Grafana's source: it sends a group of alerts as one body, signs it, waits 30 s, and never sends it
again by itself. The group's next interval does, if nothing was answered with 2xx or if something changed. While an
alert fires it is repeated. Two instances of a highly available pair send each alert, with starts that differ a little.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

TIMEOUT_SECONDS = 30
NEVER = "0001-01-01T00:00:00Z"
Labels = Mapping[str, str]
Reply = tuple[int, Any]
Post = Callable[[bytes, dict[str, str]], Reply]
"""Sends a body with its headers. Returns the status and the JSON of the answer; 0 for a connection that broke."""


def post_over_http(url: str) -> Post:
    """Sends as Grafana does: a connection of its own, 30 s in all, and redirects are followed."""

    def post(body: bytes, headers: dict[str, str]) -> Reply:
        try:
            reply = requests.post(url, data=body, headers=headers, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            return 0, str(error)
        return reply.status_code, reply.json() if "json" in reply.headers.get("Content-Type", "") else reply.text

    return post


def find_fingerprint(labels: Labels) -> str:
    """FNV-1a of 64 bits over the sorted labels, as Prometheus' `model.LabelSet.Fingerprint` makes it."""
    number = 14695981039346656037
    for byte in b"".join(f"{name}\xff{labels[name]}\xff".encode("latin-1", "replace") for name in sorted(labels)):
        number = (number ^ byte) * 1099511628211 % 2**64
    return f"{number:016x}"


@dataclass
class FiringRule:
    """One alert instance of a rule. It fires until `ended`."""

    labels: dict[str, str]
    annotations: dict[str, str]
    started: datetime
    ended: datetime | None = None
    values: dict[str, float] | None = field(default_factory=lambda: {"A": 1.0, "C": 1.0})


@dataclass
class Grafana:
    """One Grafana with a contact point. `now` is its clock, which may be wrong.

    `alerts` are its alert instances, which belong to one group.
    """

    post: Post
    secret: str = ""
    bearer: str = ""
    address: str = "http://grafana.example:3000/"
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    group_interval: timedelta = timedelta(minutes=5)
    repeat_interval: timedelta = timedelta(hours=4)
    max_alerts: int = 0
    timestamp_header: str = "X-Grafana-Alerting-Timestamp"
    alerts: list[FiringRule] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    _notified: tuple[datetime, str] | None = None
    _flushed: datetime | None = None

    def fire(self, rule: str, labels: Labels, ago: timedelta = timedelta()) -> None:
        """A rule's query finds something wrong. Labels are those of the rule and of the row."""
        named = {"alertname": rule, "grafana_folder": "Cyclone alerts", **labels}
        notes = {"summary": f"{labels.get('model', '?')}: {rule}", "__dashboardUid__": "removed"}
        self.alerts.append(FiringRule(named, notes, self.now() - ago))

    def fail(self, rule: str, labels: Labels, name: str) -> None:
        """A rule's query fails or finds nothing. The alert has the rule's labels and no values."""
        self.fire(name, {**labels, "rulename": rule})
        self.alerts[-1].values = None

    def resolve(self) -> None:
        for alert in self.alerts:
            alert.ended = alert.ended or self.now()

    def tick(self) -> Reply | None:
        """What the notification pipeline does when the group's timer fires: the reply, or None if nothing is sent."""
        now = self.now()
        if self._flushed is not None and now - self._flushed < self.group_interval:
            return None
        self._flushed = now
        state = json.dumps([[find_fingerprint(item.labels), item.ended is None] for item in self.alerts])
        is_known = self._notified is not None and self._notified[1] == state
        if not self.alerts or (is_known and self._notified and now - self._notified[0] < self.repeat_interval):
            return None
        reply = self.send(self.build_body())
        if 200 <= reply[0] < 300:  # the notification log, which alone stops the next interval
            self._notified = (now, state)
        self.alerts = [item for item in self.alerts if item.ended is None]
        return reply

    def press_test_button(self) -> Reply:
        """The button of a contact point's page, where a person may add labels."""
        labels = {"alertname": "TestAlert", "instance": "Grafana", "cyclone": "retrain", "model": "bike_demand"}
        test = FiringRule(labels, {"summary": "Notification test"}, self.now(), values=None)
        return self.send(self._pack([test], "cyclone-57c6d9296de2ad39-1764502800"))

    def build_body(self) -> bytes:
        return self._pack(self.alerts, '{}/{__grafana_receiver__="cyclone"}:{grafana_folder="Cyclone alerts"}')

    def send(self, body: bytes, signed_at: datetime | None = None, **headers: str) -> Reply:
        """One notification. It is never sent again from here."""
        reply = self.post(body, {**self.sign(body, signed_at), **headers})
        self.replies.append(reply)
        return reply

    def sign(self, body: bytes, signed_at: datetime | None = None) -> dict[str, str]:
        """The headers of a body."""
        headers = {"Content-Type": "application/json", "User-Agent": "Grafana"}
        if self.bearer:
            headers["Authorization"] = f"Bearer {self.bearer}"
        if not self.secret:
            return headers
        stamp = str(int((signed_at or self.now()).timestamp())) if self.timestamp_header else ""
        prefix = f"{stamp}:".encode() if stamp else b""
        digest = hmac.new(self.secret.encode(), prefix + body, hashlib.sha256).hexdigest()
        headers["X-Grafana-Alerting-Signature"] = digest
        return headers | ({self.timestamp_header: stamp} if stamp else {})

    def _pack(self, alerts: list[FiringRule], group_key: str) -> bytes:
        shown = alerts[: self.max_alerts] if self.max_alerts else alerts
        is_firing = any(alert.ended is None for alert in alerts)
        labels = [alert.labels for alert in alerts]
        common = {k: v for k, v in labels[0].items() if all(item.get(k) == v for item in labels)} if labels else {}
        body = {
            "receiver": "cyclone",
            "status": "firing" if is_firing else "resolved",
            "alerts": [self._describe(alert) for alert in shown],
            "groupLabels": {"grafana_folder": "Cyclone alerts"},
            "commonLabels": common,
            "commonAnnotations": {},
            "externalURL": self.address,
            "version": "1",
            "groupKey": group_key,
            "truncatedAlerts": len(alerts) - len(shown),
            "orgId": 1,
            "title": f"[{'FIRING' if is_firing else 'RESOLVED'}:{len(alerts)}] Cyclone",
            "state": "alerting" if is_firing else "ok",
            "message": "**Firing**\n\nValue: A=1\n",
            "appVersion": "13.2.3",
        }
        return json.dumps(body).encode()

    def _describe(self, alert: FiringRule) -> dict[str, Any]:
        shown = {name: text for name, text in alert.annotations.items() if not name.startswith("__")}
        return {
            "status": "firing" if alert.ended is None else "resolved",
            "labels": alert.labels,
            "annotations": shown,
            "startsAt": f"{alert.started:%Y-%m-%dT%H:%M:%S.%f}123Z",
            "endsAt": NEVER if alert.ended is None else f"{alert.ended:%Y-%m-%dT%H:%M:%SZ}",
            "generatorURL": f"{self.address}alerting/grafana/cyclone-error/view?orgId=1",
            "fingerprint": find_fingerprint(alert.labels),
            "silenceURL": f"{self.address}alerting/silence/new?alertmanager=grafana",
            "dashboardURL": "",
            "panelURL": "",
            "values": alert.values,
            "valueString": "[ var='A' labels={} value=1 ]" if alert.values else "",
            "ruleUID": "cyclone-error",
            "orgId": 1,
        }


def build_alertmanager_body(labels: Labels, started: datetime, address: str = "http://alertmanager:9093") -> bytes:
    """What Prometheus' Alertmanager sends, version 4 of its webhook: the same family, without Grafana's own keys."""
    alert = {
        "status": "firing",
        "labels": dict(labels),
        "annotations": {"summary": "p99 is above one second"},
        "startsAt": f"{started:%Y-%m-%dT%H:%M:%S.%f}Z",
        "endsAt": NEVER,
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        "fingerprint": find_fingerprint(labels),
    }
    body = {
        "version": "4",
        "groupKey": '{}:{alertname="SlowAnswers"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "cyclone",
        "groupLabels": {"alertname": labels["alertname"]},
        "commonLabels": dict(labels),
        "commonAnnotations": {},
        "externalURL": address,
        "alerts": [alert],
    }
    return json.dumps(body).encode()
