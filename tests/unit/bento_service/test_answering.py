"""What is logged and counted of each request, and at which time, whoever predicts."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bento_service.answering import Answering, UnansweredError
from bento_service.content import Body
from bento_service.log.prediction_log import PredictionLog
from bento_service.log.spool_folder import Instance
from bento_service.log.spooled_rows import LogRow
from bento_service.request import RequestError
from cyclone.sections import Feature, Label, Serving
from cyclone.spec import ModelSpec
from cyclone.store import Store

SPEC = ModelSpec(
    name="shop",
    task="regression",
    features=(Feature(name="hour", type="integer", range=(0, 23)),),
    label=Label(name="sold", type="integer", range=(0, 9), expected_delay_hours=1),
    serving=Serving(accept_created_at=True),
)
DATED_ON_ARRIVAL = SPEC.model_copy(update={"serving": Serving()})
COMMITTED = SPEC.model_copy(update={"serving": Serving(accept_created_at=True, durability="committed")})
EARLIER, LATER = datetime(2011, 1, 1, tzinfo=UTC), datetime(2011, 1, 2, tzinfo=UTC)
TIMES = [EARLIER.isoformat(), LATER.isoformat()]


class RecordingLog(PredictionLog):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[LogRow] = []
        self.counted: list[tuple[datetime, int]] = []
        self.waited_for: list[int | None] = []

    def hand_over(self, rows: Sequence[LogRow]) -> int | None:
        self.rows += rows
        return len(self.rows)

    async def wait_until_stored(self, sequence: int | None) -> None:
        self.waited_for.append(sequence)

    def count_request(self, at: datetime, status: int, latency_ms: float) -> None:
        assert 0 <= latency_ms < 60_000
        self.counted.append((at, status))


async def predict(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """A hundred times the hour; at 13 and 14 it fails in two ways."""
    if rows[0]["hour"] == 13:
        raise UnansweredError("nothing")
    if rows[0]["hour"] == 14:
        raise ValueError(f"hour {rows[0]['hour']} is not known")
    return [100.0 * row["hour"] for row in rows]


def ask(body: Any, spec: ModelSpec = SPEC, is_rehearsal: bool = False) -> tuple[int, Any, RecordingLog]:
    """Status, content, and what the log was told."""
    log = RecordingLog()
    instance = Instance.begin("shop", 3, "shop-v3")
    answering = Answering(spec, instance, log, Store("never asked"), predict)
    if not isinstance(body, Body):
        body = Body(body if isinstance(body, bytes) else json.dumps(body).encode(), is_rehearsal=is_rehearsal)
    response = asyncio.run(answering.predict(body))
    return response.status_code, json.loads(bytes(response.body)), log


def test_answered_rows_are_logged_at_their_times_and_the_request_is_counted_at_the_first() -> None:
    status, content, log = ask({"rows": [{"hour": 1}, {"hour": 2}], "ids": ["a", "b"], "created_at": TIMES})
    predictions = [{"id": "a", "prediction": 100.0}, {"id": "b", "prediction": 200.0}]
    assert (status, content) == (
        200,
        {"model": "shop", "version": 3, "revision": "shop-v3", "predictions": predictions},
    )
    logged = [(row.id, row.created_at, row.input, row.prediction) for row in log.rows]
    assert logged == [("a", EARLIER, '{"hour":1}', "100.0"), ("b", LATER, '{"hour":2}', "200.0")]
    assert (log.counted, log.waited_for) == ([(EARLIER, 200)], [])


def test_an_answer_of_a_committed_log_waits_for_its_rows() -> None:
    assert ask({"rows": [{"hour": 1}, {"hour": 2}]}, COMMITTED)[2].waited_for == [2]


@pytest.mark.parametrize(
    ("rows", "status"), [([{"hour": 24}], 400), ([{"hour": 13}], 502), ([{"hour": 14}], 500), ([], 400)]
)
def test_what_is_not_answered_is_counted_at_its_event_time(rows: list[Any], status: int) -> None:
    found, content, log = ask({"rows": rows, "created_at": TIMES[:1] * max(1, len(rows))})
    assert (found, log.counted, log.rows) == (status, [(EARLIER, status)], [])
    if status >= 500:
        assert content == {"error": "shop could not answer these rows", "details": []}


@pytest.mark.parametrize(
    ("body", "spec", "status"),
    [
        (b"{", SPEC, 400),
        ({"rows": [{"hour": 24}]}, SPEC, 400),
        ({"rows": [{"hour": 13}]}, SPEC, 502),
        ({"rows": [{"hour": 1}], "created_at": ["yesterday"]}, SPEC, 400),
        ({"rows": [{"hour": 1}], "created_at": TIMES[:1]}, DATED_ON_ARRIVAL, 400),
        (Body(refusal=RequestError(413, "the body is larger")), SPEC, 413),
    ],
)
def test_a_request_without_a_valid_event_time_is_counted_now(body: Any, spec: ModelSpec, status: int) -> None:
    found, _, log = ask(body, spec)
    ((at, counted),) = log.counted
    assert (found, counted, log.rows) == (status, status, [])
    assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=5)


@pytest.mark.parametrize("hour", [1, 13, 14, 24])
def test_a_rehearsal_is_neither_logged_nor_counted(hour: int) -> None:
    status, _, log = ask({"rows": [{"hour": hour}], "created_at": TIMES[:1]}, is_rehearsal=True)
    assert status == {1: 200, 13: 502, 14: 500, 24: 400}[hour]
    assert (log.rows, log.counted) == ([], [])


def test_a_failure_is_told_to_the_log_without_a_rows_values(caplog: pytest.LogCaptureFixture) -> None:
    ask({"rows": [{"hour": 14}]})
    assert "the request failed with ValueError at" in caplog.text
    assert "hour 14" not in caplog.text
