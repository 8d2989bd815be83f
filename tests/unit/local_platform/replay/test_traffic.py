"""The replay against a small HTTP server that notes what it is sent."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from cyclone.errors import PlatformError
from cyclone.spec import ModelSpec
from local_platform.replay.traffic import HistoryRow, Replay, ReplayedAnswer

START = datetime(2011, 2, 1, tzinfo=UTC)


class Service(ThreadingHTTPServer):
    """Answers every prediction with 7 and every batch of labels. `status` is what it answers with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.status = 200


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append((self.path, body))
        reply = {"version": 3, "predictions": [{"id": id_, "prediction": 7.0} for id_ in body.get("ids", [])]}
        content = json.dumps(reply).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def make_rows(hours: int) -> list[HistoryRow]:
    return [HistoryRow(START + timedelta(hours=hour), {"hour": hour % 24}, label=float(hour)) for hour in range(hours)]


def make_replay(spec: ModelSpec, service: Service) -> Replay:
    return Replay(spec, f"http://127.0.0.1:{service.server_port}")


def test_a_label_is_sent_once_the_present_has_reached_its_delay(bike_demand: ModelSpec, service: Service) -> None:
    replay = make_replay(bike_demand, service)
    for row in make_rows(26):
        replay.send(row)
    labels = [body["labels"] for path, body in service.received if path == "/labels"]
    assert [[label["label"] for label in batch] for batch in labels] == [[0.0], [1.0]]
    assert labels[0][0] == {
        "id": "replay-2011-02-01T00:00:00Z",
        "label": 0.0,
        "observed_at": "2011-02-02T00:00:00+00:00",
    }


def test_an_answer_holds_version_prediction_and_error(bike_demand: ModelSpec, service: Service) -> None:
    replay = make_replay(bike_demand, service)
    for row in make_rows(3):
        replay.send(row)
    assert [(answer.version, answer.error) for answer in replay.answers] == [(3, 7.0), (3, 6.0), (3, 5.0)]
    assert replay.recent_error() == 6.0


def test_a_refused_request_is_counted_and_never_sent_again(bike_demand: ModelSpec, service: Service) -> None:
    replay = make_replay(bike_demand, service)
    service.status = 503
    replay.send(make_rows(1)[0])
    assert len(service.received) == replay.request_count == len(replay.failures) == 1
    assert replay.failures[0].startswith("/predict: 503")
    assert replay.answers == []


def test_a_service_that_is_gone_is_a_failure_not_a_traceback(bike_demand: ModelSpec, service: Service) -> None:
    replay = Replay(bike_demand, "http://127.0.0.1:9")
    replay.send(make_rows(1)[0])
    assert len(replay.failures) == 1


def test_a_label_that_comes_with_the_next_load_is_sent_then(bike_demand: ModelSpec, service: Service) -> None:
    label = bike_demand.label.model_copy(update={"load_every_days": 7})
    replay = make_replay(bike_demand.model_copy(update={"label": label}), service)
    assert {replay.find_label_time(row) for row in make_rows(24)} == {datetime(2011, 2, 3, tzinfo=UTC)}


def test_a_delay_of_ones_own_takes_the_place_of_the_expected_one(bike_demand: ModelSpec, service: Service) -> None:
    replay = Replay(bike_demand, f"http://127.0.0.1:{service.server_port}", timedelta(0))
    (row,) = make_rows(1)
    assert replay.find_label_time(row) == row.created_at


def test_no_request_has_more_labels_than_the_service_takes(bike_demand: ModelSpec, service: Service) -> None:
    serving = bike_demand.serving.model_copy(update={"max_rows": 4})
    replay = make_replay(bike_demand.model_copy(update={"serving": serving}), service)
    replay.expect_labels(make_rows(10))
    replay.send_last_labels()
    assert [len(body["labels"]) for _, body in service.received] == [4, 4, 2]


def test_the_error_of_a_class_is_its_log_loss() -> None:
    row = HistoryRow(START, {}, label="rain")
    assert ReplayedAnswer(row, 1, {"rain": 0.5, "sun": 0.5}).error == pytest.approx(0.6931, abs=1e-4)
    assert ReplayedAnswer(HistoryRow(START, {}, label=True), 1, 0.25).error == pytest.approx(1.3863, abs=1e-4)


def test_a_service_that_refuses_every_row_ends_the_replay(bike_demand: ModelSpec, service: Service) -> None:
    replay = make_replay(bike_demand, service)
    service.status = 400
    *rows, last = make_rows(20)
    for row in rows:
        replay.send(row)
    with pytest.raises(PlatformError, match=r"did not answer 20 requests of the replay in a row, the last: /predict"):
        replay.send(last)
