"""What may break around the prediction log, for real: each time the rows are counted."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from bento_service.log.prediction_log import PredictionLog
from bento_service.log.spool_folder import Instance, SpoolBase
from bento_service.log.spooled_rows import LogRow
from cyclone.store import Store
from tests.support.faults import (
    Clients,
    Postgres,
    assert_all_accounted_for,
    count_rows,
    find_workers,
    serve,
)
from tests.support.serving import ROW, Service, wait_until
from tests.support.statements import execute

START = datetime(2011, 1, 31, 23, 30, tzinfo=UTC)


@pytest.fixture
def empty(postgres: Postgres) -> Store:
    """A store without rows in a Postgres that runs."""
    postgres.start()
    store = postgres.make_store("cyclone")
    execute(store, "TRUNCATE prediction_id, prediction_log, instance_ledger, log_window, set_aside_row")
    return store


@pytest.fixture(scope="module")
def keep_running(
    bundle: Path, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Service]]:
    """Gives one service, in a store of its own, from test to test: a start takes seconds."""
    started: list[Service] = []
    with ExitStack() as stack:

        def find_or_start() -> Service:
            postgres.start()
            if not started or not started[-1].process.is_running:
                folder = tmp_path_factory.mktemp("running")
                started.append(stack.enter_context(serve(bundle, postgres.make_store("shared"), folder)))
            return started[-1]

        yield find_or_start


@pytest.fixture
def service(keep_running: Callable[[], Service]) -> Service:
    return keep_running()


def find_spool(service: Service) -> Path:
    return service.process.log_path.parent / "spool"


def make_row(id_: str) -> LogRow:
    return LogRow(id_, START, 1.5, json.dumps(ROW), "2.5")


def make_log(store: Store, folder: Path, name: str = "one", limit_bytes: int = 64_000_000) -> PredictionLog:
    instance = Instance(name, "bike_demand", 1, "bike-demand-v1", START)
    return PredictionLog(store.dsn, instance, SpoolBase(folder), limit_bytes)


def test_postgres_killed_in_the_middle_of_batches(empty: Store, postgres: Postgres, tmp_path: Path) -> None:
    log = make_log(empty, tmp_path)
    ids = [f"{number:06}" for number in range(40_000)]
    for place in range(0, len(ids), 100):
        log.hand_over([make_row(id_) for id_ in ids[place : place + 100]])
    log.start()
    for goal in (1, 15_000):
        wait_until(lambda goal=goal: count_rows(empty) >= goal, f"{goal} rows are stored")  # type: ignore[misc]
        postgres.kill()
        postgres.start()
    assert log.close(deadline_seconds=60)
    assert assert_all_accounted_for(empty, ids) == 0
    assert execute(empty, "SELECT stored, repeated FROM log_completeness") == [(len(ids), 0)]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_a_full_disk_drops_the_newest_rows_by_name_and_takes_rows_again_when_there_is_room(
    empty: Store, postgres: Postgres, tmp_path: Path
) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        postgres.stop()
        log = make_log(empty, mounted)
        log.start()
        numbers = [log.hand_over([make_row(f"{number:06}")]) for number in range(5000)]
        kept = [f"{place:06}" for place, number in enumerate(numbers) if number]
        assert 1000 < len(kept) < 5000
        assert kept == [f"{place:06}" for place in range(len(kept))]  # the newest go
        postgres.start()
        wait_until(lambda: list(mounted.glob("*/*.segment")) == [], "all are sent")
        assert log.hand_over([make_row("after")]) == len(kept) + 1
        assert log.close(deadline_seconds=20)
        assert assert_all_accounted_for(empty, [*kept, "after"]) == 5000 - len(kept)
    finally:
        subprocess.run(["umount", "--lazy", mounted], check=True)


def test_a_slow_store_retrying_clients_and_a_second_instance_on_the_same_spool(bundle: Path, service: Service) -> None:
    usual = time_answers(service, "usual")
    holder = psycopg2.connect(service.store.dsn)
    holder.cursor().execute("LOCK TABLE prediction_log IN ACCESS EXCLUSIVE MODE")
    slow = time_answers(service, "slow")
    again = time_answers(service, "slow")  # clients that were not sure ask again
    holder.rollback()
    holder.close()
    assert statistics.median(slow + again) < 5 * statistics.median(usual)
    refuse_second_instance(bundle, service)
    assert service.predict(ROW, ids=["last"])[0] == 200
    ids = [f"{name} {number}" for name in ("usual", "slow") for number in range(50)]
    assert assert_all_accounted_for(service.store, [*ids, "last"]) == 0
    assert execute(service.store, "SELECT sum(repeated)::int >= 50 FROM log_completeness") == [(True,)]


@pytest.mark.parametrize("seconds", [1, pytest.param(60, marks=pytest.mark.slow)])
def test_postgres_stops_under_load_for_a_while_and_comes_back(
    service: Service, postgres: Postgres, seconds: int
) -> None:
    with Clients(service.port, f"outage of {seconds}") as clients:
        clients.wait_for_answers(50)
        before = count_rows(service.store)
        postgres.stop()
        over_at = time.monotonic() + seconds
        clients.wait_for_answers(50)
        wait_until(lambda: time.monotonic() > over_at, "the outage lasts", 2 * seconds)
        clients.wait_for_answers(50)
        postgres.start()
        clients.wait_for_answers(50)
    assert clients.refused == []
    assert assert_all_accounted_for(service.store, clients.acknowledged) == 0
    assert count_rows(service.store) >= before + 150


def test_a_worker_killed_under_load_while_postgres_is_away(service: Service, postgres: Postgres) -> None:
    with Clients(service.port, "killed") as clients:
        clients.wait_for_answers(50)
        postgres.stop()
        clients.wait_for_answers(100)
        (worker,) = find_workers(service)
        worker.kill()
        wait_until(lambda: bool(set(find_workers(service)) - {worker}), "another worker has taken its place")
        clients.wait_for_answers(50)
        postgres.start()
        clients.wait_for_answers(50)
    assert assert_all_accounted_for(service.store, clients.acknowledged) == 0
    not_stopped = "SELECT count(*) FROM log_completeness WHERE NOT is_stopped"
    wait_until(lambda: execute(service.store, not_stopped) == [(1,)], "the killed one is signed off by its successor")
    wait_until(lambda: service.read_metric("cyclone_log_queue_rows") == 0, "what the killed one had no longer waits")


def test_postgres_is_away_when_the_service_stops_and_the_next_start_sends_the_rows_and_stops_under_load(
    bundle: Path, service: Service, postgres: Postgres, tmp_path: Path
) -> None:
    spool, store = find_spool(service), service.store
    with Clients(service.port, "first") as asked:
        asked.wait_for_answers(50)
        postgres.stop()
        asked.wait_for_answers(100)
        assert service.process.stop() == 0
    assert len(list(spool.glob("*/*.segment"))) == 1
    postgres.start()
    with serve(bundle, store, tmp_path / "second", spool) as second, Clients(second.port, "second") as clients:
        wait_until(lambda: len([path for path in spool.iterdir() if path.is_dir()]) == 1, "the first one's are sent")
        clients.wait_for_answers(50)
        stopped_at = time.monotonic()
        assert second.process.stop() == 0
        assert time.monotonic() - stopped_at < 10  # Cloud Run's grace, for everything
    assert clients.refused == []
    assert assert_all_accounted_for(store, asked.acknowledged + clients.acknowledged) == 0
    assert execute(store, "SELECT bool_and(is_stopped) FROM log_completeness") == [(True,)]
    assert [path.name for path in spool.iterdir()] == ["worker-1.lock"]


def time_answers(service: Service, name: str) -> list[float]:
    """Seconds of each of fifty answers, with ids of their own."""
    taken = []
    for number in range(50):
        started = time.perf_counter()
        assert service.predict(ROW, ids=[f"{name} {number}"])[0] == 200
        taken.append(time.perf_counter() - started)
    return taken


def refuse_second_instance(bundle: Path, service: Service) -> None:
    spool = find_spool(service)
    command = [sys.executable, "-c", "from bento_service.service import PredictionService as S; S.inner()"]
    variables = {"CYCLONE_SPOOL_DIR": str(spool), "CYCLONE_STORE_DSN": service.store.dsn}
    env = {**os.environ, **variables, "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=bundle, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"ConfigurationError: CYCLONE_SPOOL_DIR={spool}: another instance has this spool" in done.stderr
