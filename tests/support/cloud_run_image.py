"""An image for the tests of the Cloud Run stand-in: a small server that tells who it is and does as it is told."""

import json
import os
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes

    def do_GET(self) -> None:
        path, _, value = self.path.partition("=")
        if path == "/sleep?seconds":
            print("sleeping", flush=True)
            time.sleep(float(value))
        if path == "/write?megabytes":
            with tempfile.NamedTemporaryFile(delete=False) as file:
                file.write(bytes(int(value) << 20))
        if path == "/exit":
            os._exit(3)
        if path == "/stream":
            self.send_stream()
        else:
            self.send_identity()

    def do_POST(self) -> None:
        self.send_identity(len(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_HEAD(self) -> None:
        self.do_GET()

    def send_identity(self, received_bytes: int = 0) -> None:
        names = ("K_SERVICE", "K_REVISION", "K_CONFIGURATION", "PORT", "GREETING")
        identity = {
            "pid": os.getpid(),
            "environment": {name: os.environ.get(name) for name in names},
            "headers": dict(self.headers),
            "path": self.path,
            "received_bytes": received_bytes,
        }
        body = json.dumps(identity).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_stream(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in (b"one ", b"two ", b"three"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        return


if os.environ.get("MODE") == "fail":
    sys.exit("the model file is missing")
if os.environ.get("MODE") == "hang":
    time.sleep(600)
port = sys.argv[1] if len(sys.argv) > 1 else os.environ["PORT"]
ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
