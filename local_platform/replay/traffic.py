"""The replay of real traffic. Rows of the past are sent as live requests, and their labels follow late."""

import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import requests

from cyclone.errors import PlatformError
from cyclone.losses import Prediction, compute_error
from cyclone.spec import ModelSpec
from cyclone.times import EPOCH

# The time that a request of the replay may take. The value is a choice.
REQUEST_TIMEOUT_SECONDS = 30
RECENT_DAYS = 7
"""The days of the error that the progress shows."""
MOST_FAILURES_IN_A_ROW = 20
"""The requests that may fail one after the other. A service that refuses all rows is told at once. A choice."""


@dataclass(frozen=True)
class HistoryRow:
    """One row of the past: when it happened, what was known then, and what turned out to be true."""

    created_at: datetime
    features: dict[str, Any]
    label: Any
    number: int = 1
    """The place of the row among those of the same second, from 1 on."""

    @property
    def prediction_id(self) -> str:
        """The id of the row's prediction. It is the same in each replay, so a row is logged once."""
        suffix = f"-{self.number}" if self.number > 1 else ""
        return f"replay-{self.created_at:%Y-%m-%dT%H:%M:%SZ}{suffix}"


@dataclass(frozen=True)
class ReplayedAnswer:
    """A replayed row with the answer that it got, and the version that gave it."""

    row: HistoryRow
    version: int
    prediction: Prediction

    @property
    def error(self) -> float:
        """The absolute error of a number, or the log-loss of a class."""
        return compute_error(self.row.label, self.prediction)


@dataclass
class Replay:
    """Sends rows in order, one request each, and remembers every answer and every failure.

    A label is posted once the replayed present has reached the time at which it was observed.
    """

    spec: ModelSpec
    address: str
    delay: timedelta | None = None
    """The time from a row to its label. None stands for the label's expected delay."""
    answers: list[ReplayedAnswer] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    request_count: int = 0
    _session: requests.Session = field(default_factory=requests.Session)
    _unlabelled: deque[HistoryRow] = field(default_factory=deque)
    _failures_in_a_row: int = 0

    @property
    def label_delay(self) -> timedelta:
        """The time from a row to its label."""
        return self.spec.label.delay if self.delay is None else self.delay

    def expect_labels(self, rows: Iterable[HistoryRow]) -> None:
        """Remember rows of an earlier replay whose labels may not have been posted. A label that was is a repeat."""
        self._unlabelled.extend(rows)

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
        """Post every label that was observed until `present`, in as few requests as the service allows."""
        labels: list[dict[str, Any]] = []
        while self._unlabelled and (observed_at := self.find_label_time(self._unlabelled[0])) <= present:
            row = self._unlabelled.popleft()
            labels.append({"id": row.prediction_id, "label": row.label, "observed_at": observed_at.isoformat()})
        most = self.spec.serving.max_rows
        for first in range(0, len(labels), most):
            self._post("/labels", {"labels": labels[first : first + most]})

    def find_label_time(self, row: HistoryRow) -> datetime:
        """When a row's label is observed: after the delay, and with the next load where labels come in bulk."""
        due = row.created_at + self.label_delay
        load = self.spec.label.load
        return EPOCH + -((EPOCH - due) // load) * load if load else due

    def send_last_labels(self) -> None:
        """Post every label that is left, as if enough time had passed."""
        if self._unlabelled:
            self.send_labels(self.find_label_time(self._unlabelled[-1]))

    def recent_error(self) -> float | None:
        """The mean error of the answers of the last seven replayed days. None before the first answer."""
        if not self.answers:
            return None
        since = self.answers[-1].row.created_at - timedelta(days=RECENT_DAYS)
        latest = takewhile(lambda answer: answer.row.created_at > since, reversed(self.answers))
        return statistics.fmean(answer.error for answer in latest)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The reply, or None when the request failed. A failure is counted and never sent again.

        Errors: `PlatformError` when `MOST_FAILURES_IN_A_ROW` have failed.
        """
        self.request_count += 1
        try:
            response = self._session.post(self.address + path, json=body, timeout=REQUEST_TIMEOUT_SECONDS)
        except requests.RequestException as error:
            self._note_failure(f"{path}: {error}")
            return None
        if response.status_code != 200:
            self._note_failure(f"{path}: {response.status_code} {response.text[:300]}")
            return None
        self._failures_in_a_row = 0
        reply: dict[str, Any] = response.json()
        return reply

    def _note_failure(self, words: str) -> None:
        self.failures.append(words)
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= MOST_FAILURES_IN_A_ROW:
            raise PlatformError(
                f"{self.spec.name} did not answer {self._failures_in_a_row} requests of the replay in a row, the last:"
                f" {words}. `cyclone replay {self.spec.name}` goes on from here once that is mended"
            )
