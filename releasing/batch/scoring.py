"""A batch: rows are scored by the model's own service, as requests of a client are."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import requests

from cyclone.errors import DataError, ReleaseError
from cyclone.releases import current_release
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.batch.answers import AnswersFile
from releasing.batch.rows import BatchRow, BatchRows
from releasing.cloud_run import CloudRun
from releasing.revisions.invocation import build_caller_headers

MOST_ROWS = 500
"""The most rows of a request. More hardly make it faster, and an instance answers others meanwhile. A choice."""
PATIENCE_SECONDS = 60.0
"""How long a request is repeated that a service could not answer. An instance starts in less. The value is a choice."""
PAUSE_SECONDS = 1.0
"""The pause between two tries. The value is a choice."""
REQUEST_TIMEOUT_SECONDS = 60
"""The time that a request of many rows may take. The value is a choice."""
REFUSALS = (400, 409)
"""The answers that name the rows that cannot be scored."""
OnRefused = Callable[[int, str], None]


@dataclass(slots=True)
class Scored:
    """What became of the rows, in counts. `earlier` were scored by an interrupted command."""

    scored: int = 0
    earlier: int = 0
    refused: int = 0


class ModelService:
    """The service of a model, and the requests to it.

    Errors: `ReleaseError` when no version serves, by the release record.
    """

    def __init__(self, settings: Settings, spec: ModelSpec, key: str = "") -> None:
        cloud = CloudRun(settings)
        release = current_release(Store(settings.store_dsn), spec.name)
        service = cloud.read_service(spec.service_name) if release else None
        if service is None:
            raise ReleaseError(
                f"{spec.name}: no version serves, so nothing can score rows. `cyclone train {spec.name}` releases one"
            )
        self.name, self._address = spec.name, service.address
        self._session = requests.Session()
        self._cloud, self._service = cloud, spec.service_name
        self._key = {"Authorization": f"Bearer {key}"} if key else {}

    def predict(self, rows: Sequence[BatchRow]) -> requests.Response:
        """The answer to a request, or its refusal. What the service cannot answer now is asked again for a while.

        Errors: `ReleaseError` when it could not for `PATIENCE_SECONDS`, or wants a key.
        """
        body: dict[str, Any] = {"rows": [row.features for row in rows], "ids": [row.id for row in rows]}
        if rows[0].created_at is not None:
            body["created_at"] = [row.created_at for row in rows]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            reply, why = self._post(body)
            if reply is not None:
                return reply
            if time.monotonic() > deadline:
                raise ReleaseError(f"{self.name} did not answer for {PATIENCE_SECONDS:g} s, the last: {why}")
            time.sleep(PAUSE_SECONDS)

    def _post(self, body: dict[str, Any]) -> tuple[requests.Response | None, str]:
        headers = {**build_caller_headers(self._cloud, self._service), **self._key}
        try:
            reply = self._session.post(
                self._address + "/predict", json=body, headers=headers, timeout=REQUEST_TIMEOUT_SECONDS
            )
        except requests.RequestException as error:
            return None, str(error)
        if reply.status_code in (401, 403):
            raise ReleaseError(
                f"{self.name} refused the key of this command ({reply.status_code}). Name a file with a key of the"
                " scope predict by --key-file"
            )
        is_answer = reply.status_code < 500 and reply.status_code != 429
        return (reply if is_answer else None), f"{reply.status_code} {reply.text[:200]}"


def score(
    service: ModelService,
    rows: BatchRows,
    answers: AnswersFile,
    most_rows: int,
    on_refused: OnRefused = lambda number, reason: None,
    on_progress: Callable[[int], None] = lambda position: None,
) -> Scored:
    """Score every row that can be, and write each answer down before the next rows are sent.

    Rows that an interrupted command scored are not sent again. `on_refused` is called with the number of a row that
    cannot be scored, and why.
    Errors: `DataError` when the part of an earlier command is of other rows, or the service refuses all of them.
    """
    summary = Scored(earlier=len(answers.done))
    last = max(answers.done, default=0)
    for batch in _list_batches(rows, most_rows, on_progress):
        left = []
        for row in batch:
            if row.number <= last:
                summary.refused += _compare(answers, row)
            elif row.fault:
                summary.refused += 1
                on_refused(row.number, row.fault)
            else:
                left.append(row)
        summary.refused += _score_batch(service, left, answers, summary, on_refused)
    answers.finish()
    return summary


def _compare(answers: AnswersFile, row: BatchRow) -> bool:
    """Whether an earlier command refused this row. Errors: `DataError` when it had another one of its number."""
    known = answers.done.get(row.number)
    if known not in (None, row.id):
        raise DataError(
            f"{answers.part}: row {row.number} is {known!r} there and {row.id!r} here, so it is of other rows. Remove"
            " it, or name another file"
        )
    return known is None


def _list_batches(rows: BatchRows, most_rows: int, on_progress: Callable[[int], None]) -> Iterator[list[BatchRow]]:
    """The rows in requests. A position is told once its rows are done."""
    size = min(MOST_ROWS, most_rows)
    for _, group in groupby(enumerate(rows), key=lambda numbered: numbered[0] // size):
        found = [numbered[1] for numbered in group]
        yield [row for row, _ in found]
        on_progress(found[-1][1])


def _score_batch(
    service: ModelService, rows: list[BatchRow], answers: AnswersFile, summary: Scored, on_refused: OnRefused
) -> int:
    """Have rows answered, without those that the service refuses. Return how many those are."""
    refused: dict[int, str] = {}
    while rows:
        reply = service.predict(rows)
        if reply.status_code == 413 and len(rows) > 1:  # as long as there is something to halve
            half = len(rows) // 2
            return (
                len(refused)
                + _score_batch(service, rows[:half], answers, summary, on_refused)
                + _score_batch(service, rows[half:], answers, summary, on_refused)
            )
        document = reply.json()
        if reply.status_code == 200:
            found = zip(rows, document["predictions"], strict=True)
            answers.write([(row.number, row.id, document["version"], item["prediction"]) for row, item in found])
            summary.scored += len(rows)
            return len(refused)
        faults = _read_faults(document) if reply.status_code in REFUSALS else {}
        if not faults:
            raise DataError(f"{service.name} refused the rows ({reply.status_code}): {document.get('error', document)}")
        for place, reason in faults.items():
            refused[rows[place].number] = reason
            on_refused(rows[place].number, reason)
        rows = [row for place, row in enumerate(rows) if place not in faults]
    return len(refused)


def _read_faults(document: dict[str, Any]) -> dict[int, str]:
    """What is wrong with each row that a refusal names, by its place in the request."""
    found: dict[int, list[str]] = {}
    for item in document.get("details", []):
        words = f"{item['feature']} is {item['value']!r}, allowed: {item['allowed']}"
        found.setdefault(item["row"], []).append(words)
    return {place: ". ".join(words) for place, words in sorted(found.items())}
