"""No page and no process of Cyclone asks another host: the switches are on, and what watches them can see a fault."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bento_service.page import HEADERS
from cyclone.telemetry import SWITCHES
from local_platform.content_policy import POLICY
from tests.support.browsing import list_foreign_requests, open_browser
from tests.support.watching import count_connections, find_program, forget_tests, list_foreign, watch

ASK_LIBRARIES = """
from bentoml._internal.utils.analytics.usage_stats import do_not_track
from mlflow.telemetry.utils import is_telemetry_disabled
print(do_not_track.__wrapped__(), is_telemetry_disabled())  # BentoML keeps its first answer
import cyclone
print(do_not_track.__wrapped__(), is_telemetry_disabled())
"""
PLANTED_PROCESS = """
import contextlib, socket, subprocess, sys
if len(sys.argv) == 1:
    for host in ("127.0.0.1", "192.0.2.1"):
        socket.socket(type=socket.SOCK_DGRAM).connect((host, 9))  # nothing is sent
    subprocess.run([sys.executable, __file__, "child"], check=True)
else:
    with contextlib.suppress(OSError):
        socket.getaddrinfo("telemetry.invalid", 443)
"""
PAGE_POLICY = HEADERS["Content-Security-Policy"]
PLANTED_PAGE = b"""<link rel="stylesheet" href="https://style.invalid/"><script src="https://script.invalid/"></script>
<img src="https://image.invalid/"><iframe src="https://frame.invalid/"></iframe>
<script>
fetch("https://fetch.invalid/").catch(() => {});
navigator.sendBeacon("https://beacon.invalid/");
try { new WebSocket("wss://socket.invalid/") } catch {}
new Worker(URL.createObjectURL(new Blob(['fetch("https://worker.invalid/")'])))
</script>planted"""
ASKED_FOR = [f"https://{name}.invalid/" for name in ("beacon", "fetch", "frame", "image", "script", "style", "worker")]


def run_python(code: str, environment: dict[str, str]) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_bentoml_and_mlflow_say_that_they_report_nothing_once_cyclone_is_imported() -> None:
    assert run_python(ASK_LIBRARIES, forget_tests(dict(os.environ))) == ["False", "False", "True", "True"]


def test_importing_cyclone_sets_every_switch_that_nobody_has_set_by_hand() -> None:
    code = f"import cyclone, os; print(*map(os.environ.get, {list(SWITCHES)}))"
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    assert run_python(code, environment) == list(SWITCHES.values())
    by_hand = dict.fromkeys(SWITCHES, "by_hand")
    assert run_python(code, environment | by_hand) == list(by_hand.values())


def test_the_watch_sees_what_a_process_and_its_child_ask_of_other_hosts(tmp_path: Path) -> None:
    find_program("strace")
    script, log = tmp_path / "planted.py", tmp_path / "watch"
    script.write_text(PLANTED_PROCESS)
    subprocess.run(watch([sys.executable, script], log), check=True, capture_output=True)
    connection, *look_up = list_foreign(log)
    assert "192.0.2.1" in connection
    assert any("telemetry" in line for line in look_up)
    assert count_connections(log) >= 3  # with that to this machine, which is no fault


@contextmanager
def serve(page: bytes, policy: str) -> Iterator[str]:
    """The address of a page on this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("", [*ASKED_FOR, "wss://socket.invalid/"]), (POLICY, []), (PAGE_POLICY, [])],
    ids=["none", "that of Airflow's pages", "that of a service's page"],
)
def test_the_browser_sees_what_a_page_asks_of_other_hosts(policy: str, expected: list[str]) -> None:
    with open_browser() as browser, serve(PLANTED_PAGE, policy) as address:
        assert list_foreign_requests(browser, address, "planted") == expected
