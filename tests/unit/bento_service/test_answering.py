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
    """A hundred times the hour. At 13 and 14 it fails in two ways."""
    if rows[0]["hour"] == 13:
        raise UnansweredError("nothing")
    if rows[0]["hour"] == 14:
        raise ValueError(f"hour {rows[0]['hour']} is not known")
    return [100.0 * row["hour"] for row in rows]


def begin(spec: ModelSpec = SPEC) -> tuple[Answering, RecordingLog]:
    """An instance and its log."""
    log = RecordingLog()
    instance = Instance.begin("shop", 3, "shop-v3")
    return Answering(spec, instance, log, Store("never asked"), predict), log


def ask(body: Any, spec: ModelSpec = SPEC, is_rehearsal: bool = False) -> tuple[int, Any, RecordingLog]:
    """Status, content, and what the log was told."""
    answering, log = begin(spec)
    return *ask_again(answering, body, is_rehearsal), log


def ask_again(answering: Answering, body: Any, is_rehearsal: bool = False) -> tuple[int, Any]:
    """Status and content of an instance that may have answered before."""
    if not isinstance(body, Body):
        body = Body(body if isinstance(body, bytes) else json.dumps(body).encode(), is_rehearsal=is_rehearsal)
    response = asyncio.run(answering.predict(body))
    return response.status_code, json.loads(bytes(response.body))


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


def test_in_a_replay_a_row_without_a_time_happens_at_the_newest_that_was_replayed() -> None:
    log = RecordingLog()
    instance = Instance.begin("shop", 3, "shop-v3")
    answering = Answering(SPEC, instance, log, Store("never asked"), predict, is_live=False)
    before = datetime.now(UTC)
    undated = {"rows": [{"hour": 3}]}
    ask_again(answering, undated)
    assert log.rows[-1].created_at >= before  # nothing was replayed yet
    ask_again(answering, {"rows": [{"hour": 1}, {"hour": 2}], "created_at": [TIMES[1], TIMES[0]]})
    ask_again(answering, {"rows": [{"hour": 1}], "created_at": [before.isoformat()]})  # somebody's, of about now
    ask_again(answering, undated)
    assert log.rows[-1].created_at == LATER
    assert log.counted[-1] == (LATER, 200)


def test_an_instance_that_begins_within_a_replay_knows_how_far_it_has_come() -> None:
    log = RecordingLog()
    instance = Instance.begin("shop", 3, "shop-v3")
    answering = Answering(SPEC, instance, log, Store("never asked"), predict, is_live=False, replayed=LATER)
    ask_again(answering, {"rows": [{"hour": 3}]})
    assert log.rows[-1].created_at == LATER


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


def refuse_ids(count: int, *conflicts: tuple[int, str]) -> dict[str, Any]:
    allowed = "the row that it was given to before, unchanged. For another row send another id, or none"
    details = [{"row": row, "feature": "id", "value": id_, "allowed": allowed} for row, id_ in conflicts]
    return {"error": f"{len(conflicts)} of {count} ids belong to other rows. Nothing was kept", "details": details}


def test_an_id_that_comes_with_another_row_is_refused_and_with_the_same_row_it_is_answered_again() -> None:
    answering, log = begin()
    assert ask_again(answering, {"rows": [{"hour": 1}], "ids": ["customer-42"]})[0] == 200
    answered = ask_again(answering, {"rows": [{"hour": 1}], "ids": ["customer-42"]})
    assert (answered[0], answered[1]["predictions"]) == (200, [{"id": "customer-42", "prediction": 100.0}])
    other = {"rows": [{"hour": 3}, {"hour": 2}], "ids": ["b", "customer-42"], "created_at": TIMES}
    assert ask_again(answering, other) == (409, refuse_ids(2, (1, "customer-42")))
    assert log.counted[-1] == (EARLIER, 409)
    assert ask_again(answering, {"rows": [{"hour": 4}], "ids": ["b"]})[0] == 200  # the refusal kept nothing
    assert [row.id for row in log.rows] == ["customer-42", "customer-42", "b"]


def test_of_one_request_an_id_with_two_rows_is_refused() -> None:
    status, content, log = ask({"rows": [{"hour": 1}, {"hour": 2}, {"hour": 3}], "ids": ["a", "a", "a"]})
    assert (status, content, log.rows) == (409, refuse_ids(3, (1, "a"), (2, "a")), [])


def test_of_two_requests_at_once_with_one_id_the_second_is_refused() -> None:
    answering, log = begin()
    bodies = [Body(json.dumps({"rows": [{"hour": hour}], "ids": ["a"]}).encode()) for hour in (1, 2)]

    async def ask_both() -> list[int]:
        return [response.status_code for response in await asyncio.gather(*map(answering.predict, bodies))]

    assert asyncio.run(ask_both()) == [200, 409]
    assert [row.input for row in log.rows] == ['{"hour":1}']


def test_a_model_may_have_conflicting_ids_counted_instead() -> None:
    counting = SPEC.model_copy(update={"serving": Serving(conflicting_ids="count")})
    answering, log = begin(counting)
    for hours in ([1], [2], [3, 3, 4]):
        rows = [{"hour": hour} for hour in hours]
        assert ask_again(answering, {"rows": rows, "ids": ["a"] * len(rows)})[0] == 200
    assert len(log.rows) == 5  # the writer finds out which of them conflict


def test_a_rehearsal_claims_no_id() -> None:
    answering, _ = begin()
    assert ask_again(answering, {"rows": [{"hour": 1}], "ids": ["a"]}, is_rehearsal=True)[0] == 200
    assert ask_again(answering, {"rows": [{"hour": 2}], "ids": ["a"]})[0] == 200


@pytest.mark.parametrize("hour", [1, 13, 14, 24])
def test_a_rehearsal_is_neither_logged_nor_counted(hour: int) -> None:
    status, _, log = ask({"rows": [{"hour": hour}], "created_at": TIMES[:1]}, is_rehearsal=True)
    assert status == {1: 200, 13: 502, 14: 500, 24: 400}[hour]
    assert (log.rows, log.counted) == ([], [])


def test_a_failure_is_told_to_the_log_without_a_rows_values(caplog: pytest.LogCaptureFixture) -> None:
    ask({"rows": [{"hour": 14}]})
    assert "the request failed with ValueError at" in caplog.text
    assert "hour 14" not in caplog.text
