"""The logging proxy in front of a server that knows nothing of Cyclone: real processes, real HTTP, a real Postgres."""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from bento_service.logging_proxy import read_served
from cyclone.errors import ConfigurationError
from cyclone.image_contract import REHEARSAL_HEADER, REHEARSAL_TOKEN_VARIABLE
from cyclone.settings import Settings
from cyclone.store import Store
from local_platform.processes import GuardedProcess, free_port, wait_until_ready
from tests.support.serving import REPOSITORY, ROW, Service, wait_until

TOKEN = "drawn-at-deployment"


class Container(BaseHTTPRequestHandler):
    """Answers each row with 100 × its hour, but hour 13 badly, and hour 14 with an error."""

    def do_POST(self) -> None:
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["rows"]
        hours = [row["hour"] for row in rows]
        content = json.dumps({"predictions": ["?" if hour == 13 else 100 * hour for hour in hours]}).encode()
        self.send_response(500 if 14 in hours else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def run_container() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Container) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/predict"
        server.shutdown()


@contextmanager
def run_proxy(store: Store, target: str, folder: Path) -> Iterator[Service]:
    port = free_port(0)
    env = {
        **os.environ,
        "CYCLONE_STORE_DSN": store.dsn,
        "CYCLONE_SPOOL_DIR": str(folder / "spool"),
        "CYCLONE_MODEL": "bike_demand",
        "CYCLONE_MODEL_VERSION": "4",
        "CYCLONE_PROXY_TARGET": target,
        "PORT": str(port),
        REHEARSAL_TOKEN_VARIABLE: TOKEN,
    }
    command = [sys.executable, "-m", "bento_service.logging_proxy"]
    with GuardedProcess.start("proxy", command, env, folder / "proxy.log", cwd=REPOSITORY) as process:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", 60, process)
        yield Service(port, process, store)


def test_a_foreign_container_gets_the_same_contract_log_and_ledger(store: Store, tmp_path: Path) -> None:
    at = ["2011-02-01T10:00:00Z"]
    with run_container() as target, run_proxy(store, target, tmp_path) as proxy:
        assert proxy.predict(ROW, ids=["a"], created_at=at) == (
            200,
            {
                "model": "bike_demand",
                "version": 4,
                "revision": "bike-demand-v4",
                "predictions": [{"id": "a", "prediction": 800}],
            },
        )
        assert proxy.predict(*[{**ROW, "hour": hour} for hour in range(10)])[0] == 200
        status, answer = proxy.predict({**ROW, "hour": 24}, created_at=["2011-03-01T07:30:01Z"])
        assert (status, answer["details"][0]["allowed"]) == (400, "an integer from 0 to 23")
        for hour in (13, 14):
            answer = {"error": "bike_demand could not answer these rows", "details": []}
            assert proxy.predict({**ROW, "hour": hour}) == (502, answer)
        address, body = f"http://127.0.0.1:{proxy.port}/predict", {"rows": [ROW], "ids": ["rehearsed"]}
        rehearsed = requests.post(address, json=body, headers={REHEARSAL_HEADER: TOKEN}, timeout=30)
        assert rehearsed.json()["predictions"] == [{"id": "rehearsed", "prediction": 800}]  # neither logged nor counted
        wait_until(lambda: len(proxy.read_rows(["a"])) == 1, "the first row is stored")
        assert proxy.read_rows(["a"]) == [("a", 4, "bike-demand-v4", ROW, 800, "2011-02-01 10:00:00+00")]
        assert proxy.label({"id": "a", "label": 7}) == (200, {"accepted": 1, "unknown_so_far": 0})
        assert "Traceback" not in proxy.process.log_path.read_text()
        assert proxy.process.stop() == 128 + signal.SIGTERM  # uvicorn drains, then ends by the signal
    assert proxy.query("SELECT count(*) FROM prediction_log") == [(11,)]
    counts = "SELECT sum(requests)::int, sum(rejected)::int, sum(failures)::int FROM request_stat"
    assert proxy.query(counts) == [(5, 1, 2)]
    refused = "SELECT bucket_start::text FROM request_stat WHERE rejected > 0"
    assert proxy.query(refused) == [("2011-03-01 07:30:00+00",)]
    assert proxy.read_ledger() == [(0, True)]


def test_a_container_that_is_away_is_a_502_and_nothing_is_logged(store: Store, tmp_path: Path) -> None:
    with run_proxy(store, f"http://127.0.0.1:{free_port(0)}/predict", tmp_path) as proxy:
        assert proxy.predict(ROW)[0] == 502
        assert proxy.process.stop() == 128 + signal.SIGTERM  # uvicorn drains, then ends by the signal
    assert proxy.query("SELECT count(*) FROM prediction_log") == [(0,)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"CYCLONE_MODEL": ""}, "CYCLONE_MODEL is empty"),
        ({"CYCLONE_MODEL": "nobody"}, "model 'nobody' is not in"),
        ({"CYCLONE_MODEL_VERSION": "new"}, "CYCLONE_MODEL_VERSION='new': a positive integer is needed"),
        ({"CYCLONE_PROXY_TARGET": "localhost"}, "CYCLONE_PROXY_TARGET='localhost': an http or https URL is needed"),
    ],
)
def test_what_is_not_told_is_named(change: dict[str, str], words: str) -> None:
    told = {"CYCLONE_MODEL": "bike_demand", "CYCLONE_MODEL_VERSION": "1", "CYCLONE_PROXY_TARGET": "http://x/predict"}
    with pytest.raises(ConfigurationError, match=words):
        read_served(Settings(), {**told, **change})
