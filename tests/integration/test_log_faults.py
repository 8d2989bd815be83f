"""What may break around the prediction log, for real: each time the rows are counted.

Rows acknowledged = rows stored + rows that the ledger names as dropped, and never a row twice.
"""

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import psutil
import psycopg2
import pytest

from bento_service.prediction_log import PredictionLog
from bento_service.spool_folder import Instance, SpoolBase
from bento_service.spooled_rows import LogRow
from cyclone.store import Store
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port
from tests.integration.serving import ROW, TARGET, Service, pack_bundle, run_service, wait_until

START = datetime(2011, 1, 31, 23, 30, tzinfo=UTC)
OUTAGE_SECONDS = 8


@dataclass
class Postgres:
    """A Postgres that can go away and come back at its port, and a migrated store in it."""

    folder: Path
    port: int
    server: EmbeddedPostgres
    store: Store

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        pid = self.server.process.program_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        self.server.process.wait(30)
        self.server.stop()

    def start(self) -> None:
        self.server = EmbeddedPostgres.start(self.folder, self.port)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder, port = tmp_path_factory.mktemp("postgres"), free_port(0)
    server = EmbeddedPostgres.start(folder, port)
    made = Postgres(folder, port, server, Store(server.dsn()))
    made.store.migrate()
    yield made
    made.stop()


@pytest.fixture
def empty(postgres: Postgres) -> Postgres:
    """The same Postgres, running, without rows."""
    if not postgres.server.process.is_running:
        postgres.start()
    query(postgres.store, "TRUNCATE prediction_id, prediction_log, instance_ledger, log_window, set_aside_row")
    return postgres


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bundle")
    pack_bundle(root)
    return root


@dataclass
class Clients:
    """Three clients that ask on and on; one that gets no answer asks again with the same id."""

    port: int
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
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)

    def wait_for_answers(self, count: int) -> None:
        goal = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= goal, f"{count} more requests are answered")

    def _ask_on(self, client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        for number in range(1_000_000):
            while not self._ask(connection, f"{client} {number}"):
                if self.stopping.wait(0.02):
                    break
            if self.stopping.is_set():
                break
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


def query(store: Store, statement: str) -> list[tuple[int, ...]]:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def assert_all_accounted_for(store: Store, acknowledged: list[str]) -> int:
    """Wait until the ledger's account is complete; how many rows it names as dropped."""
    select = (
        "SELECT coalesce(sum(unaccounted), 0)::int, coalesce(sum(stored), 0)::int,"
        " coalesce(sum(dropped), 0)::int, coalesce(sum(set_aside), 0)::int FROM log_completeness"
    )
    in_log = "SELECT count(*)::int, count(DISTINCT id)::int FROM prediction_log"
    wait_until(lambda: query(store, select)[0][0] == 0, "no row is unaccounted for")
    ((_, stored, dropped, set_aside),) = query(store, select)
    assert query(store, in_log) == [(stored, stored)]
    assert set_aside == 0
    missing = set(acknowledged) - {str(id_) for (id_,) in query(store, "SELECT id FROM prediction_log")}
    assert len(missing) <= dropped, f"{len(missing)} acknowledged rows are nowhere, {dropped} are named as dropped"
    in_windows = "SELECT sum(expected)::int, sum(stored + repeated + dropped)::int FROM log_window_completeness"
    ((expected, known),) = query(store, in_windows)
    assert expected == known
    return dropped


def count_rows(store: Store) -> int:
    return query(store, "SELECT count(*)::int FROM prediction_log")[0][0]


def find_workers(service: Service) -> list[psutil.Process]:
    """The processes that hold the service's spool."""
    found = []
    for process in psutil.Process(service.process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if any(file.path.endswith("/dropped") or ".segment" in file.path for file in process.open_files()):
                found.append(process)
    return found


@contextmanager
def serve(bundle: Path, postgres: Postgres, folder: Path, spool: Path | None = None) -> Iterator[Service]:
    folder.mkdir(exist_ok=True)
    variables = {"CYCLONE_SPOOL_DIR": str(spool or folder / "spool")}
    with run_service(bundle, postgres.store, folder, TARGET, folder, **variables) as service:
        yield service


def make_row(id_: str) -> LogRow:
    return LogRow(id_, START, 1.5, json.dumps(ROW), "2.5")


def make_log(postgres: Postgres, folder: Path, name: str = "one", limit_bytes: int = 64_000_000) -> PredictionLog:
    instance = Instance(name, "bike_demand", 1, "bike-demand-v1", START)
    return PredictionLog(postgres.store.dsn, instance, SpoolBase(folder), limit_bytes)


def test_postgres_stops_under_load_and_comes_back_and_the_service_stops_under_load(
    bundle: Path, empty: Postgres, tmp_path: Path
) -> None:
    with serve(bundle, empty, tmp_path) as service, Clients(service.port) as clients:
        clients.wait_for_answers(50)
        empty.stop()
        deadline = time.monotonic() + OUTAGE_SECONDS
        wait_until(lambda: time.monotonic() > deadline, "the outage lasts")
        clients.wait_for_answers(50)
        empty.start()
        clients.wait_for_answers(50)
        stopped_at = time.monotonic()
        assert service.process.stop() == 0
        assert time.monotonic() - stopped_at < 10  # Cloud Run's grace, for everything
    assert clients.refused == []
    assert assert_all_accounted_for(empty.store, clients.acknowledged) == 0
    assert query(empty.store, "SELECT count(*)::int FROM log_completeness WHERE NOT is_stopped") == [(0,)]
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["worker-1.lock"]


def test_postgres_killed_in_the_middle_of_batches(empty: Postgres, tmp_path: Path) -> None:
    log = make_log(empty, tmp_path)
    ids = [f"{number:06}" for number in range(40_000)]
    for place in range(0, len(ids), 100):
        log.hand_over([make_row(id_) for id_ in ids[place : place + 100]])
    log.start()
    for goal in (1, 15_000):
        wait_until(lambda goal=goal: count_rows(empty.store) >= goal, f"{goal} rows are stored")  # type: ignore[misc]
        empty.kill()
        empty.start()
    assert log.close(deadline_seconds=60)
    assert assert_all_accounted_for(empty.store, ids) == 0
    assert query(empty.store, "SELECT stored, repeated FROM log_completeness") == [(len(ids), 0)]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_a_full_disk_drops_the_newest_rows_by_name_and_takes_rows_again_when_there_is_room(
    empty: Postgres, tmp_path: Path
) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        empty.stop()
        log = make_log(empty, mounted)
        log.start()
        numbers = [log.hand_over([make_row(f"{number:06}")]) for number in range(5000)]
        kept = [f"{place:06}" for place, number in enumerate(numbers) if number]
        assert 1000 < len(kept) < 5000
        assert kept == [f"{place:06}" for place in range(len(kept))]  # the newest go
        empty.start()
        wait_until(lambda: list(mounted.glob("*/*.segment")) == [], "all are sent")
        assert log.hand_over([make_row("after")]) == len(kept) + 1
        assert log.close(deadline_seconds=20)
        assert assert_all_accounted_for(empty.store, [*kept, "after"]) == 5000 - len(kept)
    finally:
        subprocess.run(["umount", "--lazy", mounted], check=True)


def test_a_worker_killed_under_load_while_postgres_is_away(bundle: Path, empty: Postgres, tmp_path: Path) -> None:
    with serve(bundle, empty, tmp_path) as service, Clients(service.port) as clients:
        clients.wait_for_answers(50)
        empty.stop()
        clients.wait_for_answers(100)
        (worker,) = find_workers(service)
        worker.kill()
        wait_until(lambda: bool(set(find_workers(service)) - {worker}), "another worker has taken its place")
        clients.wait_for_answers(50)
        empty.start()
        clients.wait_for_answers(50)
        assert service.process.stop() == 0
    assert assert_all_accounted_for(empty.store, clients.acknowledged) == 0
    assert query(empty.store, "SELECT count(*)::int FROM log_completeness WHERE is_stopped") == [(2,)]


def test_postgres_is_away_when_the_service_stops_and_the_next_start_sends_the_rows(
    bundle: Path, empty: Postgres, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    with serve(bundle, empty, tmp_path / "first", spool) as service, Clients(service.port) as clients:
        clients.wait_for_answers(50)
        empty.stop()
        clients.wait_for_answers(100)
        assert service.process.stop() == 0
    assert len(list(spool.glob("*/*.segment"))) == 1
    empty.start()
    with serve(bundle, empty, tmp_path / "second", spool) as service:
        assert service.predict(ROW, ids=["second"])[0] == 200
        wait_until(lambda: len([path for path in spool.iterdir() if path.is_dir()]) == 1, "the first one's are sent")
        assert service.process.stop() == 0
    assert assert_all_accounted_for(empty.store, [*clients.acknowledged, "second"]) == 0
    assert query(empty.store, "SELECT count(*)::int FROM log_completeness WHERE is_stopped") == [(2,)]


def test_a_slow_store_retrying_clients_and_a_second_instance_on_the_same_spool(
    bundle: Path, empty: Postgres, tmp_path: Path
) -> None:
    with serve(bundle, empty, tmp_path) as service:
        usual = time_answers(service, "usual")
        holder = psycopg2.connect(empty.store.dsn)
        holder.cursor().execute("LOCK TABLE prediction_log IN ACCESS EXCLUSIVE MODE")
        slow = time_answers(service, "slow")
        again = time_answers(service, "slow")  # clients that were not sure ask again
        holder.rollback()
        holder.close()
        assert statistics.median(slow + again) < 5 * statistics.median(usual)
        refuse_second_instance(bundle, empty, tmp_path / "spool")
        assert service.predict(ROW, ids=["last"])[0] == 200
        assert service.process.stop() == 0
    ids = [f"{name} {number}" for name in ("usual", "slow") for number in range(50)]
    assert assert_all_accounted_for(empty.store, [*ids, "last"]) == 0
    assert query(empty.store, "SELECT handed_over, stored, repeated FROM log_completeness") == [(151, 101, 50)]


def time_answers(service: Service, name: str) -> list[float]:
    """Seconds of each of fifty answers, with ids of their own."""
    taken = []
    for number in range(50):
        started = time.perf_counter()
        assert service.predict(ROW, ids=[f"{name} {number}"])[0] == 200
        taken.append(time.perf_counter() - started)
    return taken


def refuse_second_instance(bundle: Path, postgres: Postgres, spool: Path) -> None:
    command = [sys.executable, "-c", "from bento_service.service import PredictionService as S; S.inner()"]
    variables = {"CYCLONE_SPOOL_DIR": str(spool), "CYCLONE_STORE_DSN": postgres.store.dsn}
    env = {**os.environ, **variables, "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=bundle, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"ConfigurationError: CYCLONE_SPOOL_DIR={spool}: another instance has this spool" in done.stderr
