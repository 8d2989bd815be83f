"""The replay of real traffic. Rows of the past are sent as live requests, and their labels follow late."""

import statistics
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests

from cyclone.spec import ModelSpec

# The time that a request of the replay may take. The value is a choice.
REQUEST_TIMEOUT_SECONDS = 30
RECENT_DAYS = 7
"""The days of the error that the progress shows."""


@dataclass(frozen=True)
class HistoryRow:
    """One row of the past: when it happened, what was known then, and what turned out to be true."""

    created_at: datetime
    features: dict[str, Any]
    label: float

    @property
    def prediction_id(self) -> str:
        """The id of the row's prediction. It is the same in each replay, so a row is logged once."""
        return f"replay-{self.created_at:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True)
class ReplayedAnswer:
    """A replayed row with the answer that it got, and the version that gave it."""

    row: HistoryRow
    version: int
    prediction: float

    @property
    def absolute_error(self) -> float:
        return abs(self.prediction - self.row.label)


@dataclass
class Replay:
    """Sends rows in order, one request each, and remembers every answer and every failure.

    A label is posted once the replayed present has reached the time at which it was observed.
    """

    spec: ModelSpec
    address: str
    answers: list[ReplayedAnswer] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    request_count: int = 0
    _session: requests.Session = field(default_factory=requests.Session)
    _unlabelled: deque[HistoryRow] = field(default_factory=deque)

    def send(self, row: HistoryRow) -> None:
        """Post the labels that are due by the row's time, then ask for the row's prediction."""
        self.send_labels(row.created_at)
        body = {
            "rows": [row.features],
            "ids": [row.prediction_id],
            "created_at": [row.created_at.isoformat()],
        }
        reply = self._post("/predict", body)
        if reply is not None:
            self.answers.append(ReplayedAnswer(row, reply["version"], reply["predictions"][0]["prediction"]))
        self._unlabelled.append(row)

    def send_labels(self, present: datetime) -> None:
        """Post every label that was observed until `present`, in one request."""
        delay = timedelta(hours=self.spec.label.expected_delay_hours)
        labels = []
        while self._unlabelled and self._unlabelled[0].created_at + delay <= present:
            row = self._unlabelled.popleft()
            observed_at = (row.created_at + delay).isoformat()
            labels.append({"id": row.prediction_id, "label": row.label, "observed_at": observed_at})
        if labels:
            self._post("/labels", {"labels": labels})

    def recent_error(self) -> float:
        """The mean absolute error of the answers of the last seven replayed days."""
        since = self.answers[-1].row.created_at - timedelta(days=RECENT_DAYS)
        latest = self.answers[-RECENT_DAYS * 24 :]
        return statistics.fmean(answer.absolute_error for answer in latest if answer.row.created_at > since)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The reply, or None when the request failed. A failure is counted and never sent again."""
        self.request_count += 1
        try:
            response = self._session.post(self.address + path, json=body, timeout=REQUEST_TIMEOUT_SECONDS)
        except requests.RequestException as error:
            self.failures.append(f"{path}: {error}")
            return None
        if response.status_code != 200:
            self.failures.append(f"{path}: {response.status_code} {response.text[:300]}")
            return None
        reply: dict[str, Any] = response.json()
        return reply
