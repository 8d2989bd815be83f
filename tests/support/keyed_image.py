"""An image that asks for the keys of its deployment as a service does, and starts much faster than one."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cyclone.image_contract import API_KEYS_VARIABLE, PORT_VARIABLE, REVISION_VARIABLE
from cyclone.keys import KeyRing

text = os.environ.get(API_KEYS_VARIABLE)
KEYS = None if text is None else KeyRing(text)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        refusal = KEYS.check(self.headers["Authorization"], "predict") if KEYS else None
        self.send(401 if refusal else 200)

    def send(self, status: int) -> None:
        body = json.dumps({"environment": {REVISION_VARIABLE: os.environ[REVISION_VARIABLE]}}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        return


ThreadingHTTPServer(("127.0.0.1", int(os.environ[PORT_VARIABLE])), Handler).serve_forever()
