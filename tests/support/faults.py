"""What the fault tests share: a Postgres that goes away, clients that ask on and on, and the account at the end.

Rows acknowledged = rows stored + rows that the ledger names as dropped, and never a row twice.
"""

import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from cyclone.store import Store
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port
from tests.support.serving import ROW, TARGET, Service, run_service, wait_until
from tests.support.statements import execute

DATABASES = ("cyclone", "shared", "committed", "alerts", "alertmanager")


class Postgres:
    """A Postgres that can go away and come back at its port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port(0)
        self.server = EmbeddedPostgres.start(folder, self.port, DATABASES)

    def make_store(self, database: str) -> Store:
        """A migrated store in one of the databases."""
        store = Store(self.server.dsn(database))
        store.migrate()
        return store

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        pid = self.server.process.program_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        self.server.process.wait(30)
        self.server.stop()

    def start(self) -> None:
        """Harmless when it runs."""
        if not self.server.process.is_running:
            self.server = EmbeddedPostgres.start(self.folder, self.port, DATABASES)


@dataclass
class Clients:
    """Three clients that ask on and on. One that gets no answer asks again with the same id."""

    port: int
    name: str
    acknowledged: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.threads = [threading.Thread(target=self._ask_on, args=(number,)) for number in range(3)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask no more. Harmless when repeated."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)

    def wait_for_answers(self, count: int) -> None:
        goal = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= goal, f"{count} more requests are answered")

    def _ask_on(self, client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        for number in range(1_000_000):
            while not self._ask(connection, f"{self.name} {client} {number}"):
                if self.stopping.wait(0.02):
                    break
            if self.stopping.is_set():
                break
            if number % 10 == 9:
                connection.close()  # or one worker might keep all three
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, id_: str) -> bool:
        body = json.dumps({"rows": [ROW], "ids": [id_]})
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return False
        (self.acknowledged.append(id_) if response.status == 200 else self.refused.append(response.status))
        return True


def count_rows(store: Store) -> int:
    return int(execute(store, "SELECT count(*)::int FROM prediction_log")[0][0])


def find_missing(store: Store, ids: list[str]) -> set[str]:
    """The ids that are not in the log."""
    return set(ids) - {id_ for (id_,) in execute(store, "SELECT id FROM prediction_log")}


def assert_all_accounted_for(store: Store, acknowledged: list[str]) -> int:
    """Wait until the account is complete. Return how many rows the ledger names as dropped."""
    wait_until(lambda: _is_complete(store, acknowledged), "every acknowledged row is stored or dropped by name")
    return int(execute(store, "SELECT coalesce(sum(dropped), 0)::int FROM log_completeness")[0][0])


def _is_complete(store: Store, acknowledged: list[str]) -> bool:
    """Whether nothing waits any more. What is stored must agree with the ledger at every moment."""
    ((unaccounted, stored, dropped, set_aside, rows, ids, expected, known),) = execute(
        store,
        "SELECT ledger.*, log.*, windows.* FROM"
        " (SELECT coalesce(sum(unaccounted), 0)::int, coalesce(sum(stored), 0)::int,"
        " coalesce(sum(dropped), 0)::int, coalesce(sum(set_aside), 0)::int FROM log_completeness) AS ledger,"
        " (SELECT count(*)::int, count(DISTINCT id)::int FROM prediction_log) AS log,"
        " (SELECT sum(expected)::int, sum(stored + repeated + dropped)::int FROM log_window_completeness) AS windows",
    )
    assert (rows, ids, set_aside) == (stored, stored, 0)
    return bool(unaccounted == 0 and expected == known and len(find_missing(store, acknowledged)) <= dropped)


def find_workers(service: Service) -> list[psutil.Process]:
    """The processes that hold the service's spool."""
    found = []
    for process in psutil.Process(service.process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if any(file.path.endswith("/dropped") or ".segment" in file.path for file in process.open_files()):
                found.append(process)
    return found


@contextmanager
def serve(
    bundle: Path,
    store: Store,
    folder: Path,
    spool: Path | None = None,
    port: int = 0,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """A service whose log says in its folder what it finds. Its spool is there too unless told."""
    folder.mkdir(exist_ok=True)
    variables = {**(variables or {}), "CYCLONE_SPOOL_DIR": str(spool or folder / "spool")}
    with run_service(bundle, store, folder, TARGET, folder, variables, port) as service:
        yield service
