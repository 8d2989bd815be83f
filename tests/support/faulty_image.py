"""An image of a candidate that gets ready and then breaks: its file's name says how.

`crashing` ends on its tenth request, `hungry` keeps twenty megabytes of every request. Both note themselves in the
ledger at their start, as the service does.
"""

import itertools
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg2

FAULT = Path(sys.argv[0]).stem
MOST_HELD = 20
NOTE = (
    "INSERT INTO instance_ledger"
    " (instance_id, model, version, revision, started_at, last_seen_at, handed_over, dropped, repeated)"
    " VALUES (%s, 'bike_demand', 2, %s, now(), now(), 0, 0, 0)"
)
number = itertools.count(1)
held: list[bytearray] = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def do_POST(self) -> None:
        if FAULT == "crashing" and next(number) == 10:
            os._exit(3)
        if FAULT == "hungry" and len(held) < MOST_HELD:
            held.append(bytearray(os.urandom(1)) * (20 << 20))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        return


connection = psycopg2.connect(os.environ["CYCLONE_STORE_DSN"])
with connection, connection.cursor() as cursor:
    cursor.execute(NOTE, (f"{FAULT} {os.getpid()}", os.environ["K_REVISION"]))
connection.close()
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
