"""A way to the Admin API on which calls fail: a proxy that answers in the server's place, or after it."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

NAMES = {409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}


@dataclass
class FaultyApi:
    """`faults[method]`: the codes of the next answers. A negative one is given after the call has had its effect."""

    address: str
    faults: dict[str, list[int]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    on_change: Callable[[bool], bool] = lambda is_done: True
    """Called before (False) and after (True) a call that changes something; before, False means: do not pass it on."""


@contextmanager
def run_faulty_api(target: str) -> Iterator[FaultyApi]:
    """A proxy of the API at `target`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            api.calls[self.command] += 1
            codes = api.faults.get(self.command, [])
            code = codes.pop(0) if codes else 0
            if code > 0:
                return self.send(code, _describe(code))
            is_change = self.command != "GET"
            if is_change and not api.on_change(False):
                return self.send(503, _describe(503))
            headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
            reply = requests.request(self.command, target + self.path, data=body, headers=headers, timeout=60)
            if is_change:
                api.on_change(True)
            if code < 0:
                return self.send(-code, _describe(-code))
            return self.send(reply.status_code, reply.content)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 (the base class names them so)

        def send(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # who asked was killed
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api = FaultyApi(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield api
    server.shutdown()
    thread.join()
    server.server_close()


def _describe(code: int) -> bytes:
    return json.dumps({"error": {"code": code, "message": "injected", "status": NAMES[code], "details": []}}).encode()
