"""A health check says whether a part is ready, and why not."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from local_platform.compose import healthy
from local_platform.processes import free_port

HEALTH = {"metadatabase": {"status": "healthy"}, "scheduler": {"status": "unhealthy"}, "triggerer": {"status": None}}


@contextmanager
def serve(status: int, body: bytes) -> Iterator[str]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("component", "code", "said"),
    [
        ("", 0, ""),
        ("metadatabase", 0, ""),
        ("scheduler", 1, "scheduler is unhealthy"),
        ("triggerer", 1, "triggerer is None"),
        ("dag_processor", 1, "the answer says nothing of dag_processor (KeyError('dag_processor'))"),
    ],
)
def test_a_component_is_ready_when_airflow_calls_it_healthy(
    component: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(200, json.dumps(HEALTH).encode()) as url:
        assert healthy.main([url, component]) == code
    assert capsys.readouterr().err.removeprefix(f"{url}: ").rstrip() == said


def test_an_error_and_silence_are_not_ready(capsys: pytest.CaptureFixture[str]) -> None:
    with serve(503, b"") as url:
        assert healthy.main([url]) == 1
    assert "503" in capsys.readouterr().err
    assert healthy.main([f"http://127.0.0.1:{free_port(0)}/"]) == 1
    assert "refused" in capsys.readouterr().err


def test_it_runs_as_a_file_with_nothing_installed() -> None:
    with serve(200, b"") as url:
        command = [sys.executable, "-I", "-S", str(Path(healthy.__file__)), url]
        subprocess.run(command, check=True)
