"""Two workers, committed rows, a second instance whose clock is an hour ahead: killed, started again, counted."""

import os
import shutil
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cyclone.__main__ import app
from cyclone.store import Store
from local_platform.processes import free_port
from tests.support.faults import (
    Clients,
    Postgres,
    assert_all_accounted_for,
    find_missing,
    serve,
)
from tests.support.serving import ROW, Service, wait_until
from tests.support.statements import execute

TWO_WORKERS = {"BENTOML_CONFIG_OPTIONS": "services.PredictionService.workers=2"}
HOUR_AHEAD = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *at) {
    long failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && clock == CLOCK_REALTIME) at->tv_sec += 3600;
    return (int)failed;
}
"""
"""Preloaded into a process, it gives it and its children a wall clock that is an hour ahead."""


@pytest.fixture
def committed_bundle(bundle: Path, tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    shutil.copytree(bundle, root)
    settings = root / "models" / "bike_demand" / "model.yaml"
    settings.write_text(settings.read_text().replace("serving:\n", "serving:\n  durability: committed\n"))
    return root


@pytest.fixture
def hour_ahead(tmp_path: Path) -> dict[str, str]:
    """The variables of a process whose clock is wrong."""
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(HOUR_AHEAD)
    compiler = shutil.which(str(sysconfig.get_config_var("CC") or "cc").split()[0])
    if compiler is None:
        pytest.skip("no C compiler is here to make a wrong clock with")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return {"LD_PRELOAD": str(library)}


@pytest.fixture
def store(postgres: Postgres) -> Store:
    postgres.start()
    return postgres.make_store("committed")


def kill_group(service: Service) -> None:
    """What a crash of the whole instance leaves: nobody had time for anything."""
    pid = service.process.program_pid
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)
    service.process.wait(30)


def test_workers_killed_at_once_and_an_instance_whose_clock_is_wrong_lose_nothing_and_the_account_is_right(
    committed_bundle: Path, store: Store, postgres: Postgres, hour_ahead: dict[str, str], tmp_path: Path
) -> None:
    port, spool = free_port(0), tmp_path / "spool"
    with (
        serve(committed_bundle, store, tmp_path / "ahead", variables=hour_ahead) as ahead,
        Clients(port, "right") as clients,
    ):
        with serve(committed_bundle, store, tmp_path / "first", spool, port, TWO_WORKERS) as first:
            wait_until_answered_by(store, 2)
            clients.wait_for_answers(100)
            kill_group(first)
        promised = list(clients.acknowledged)
        # A stall of seconds may let answers go with their rows in the spool alone; then the log says so.
        assert not find_missing(store, promised) or "took longer" in first.process.log_path.read_text()
        assert execute(store, "SELECT count(*) FROM log_completeness WHERE NOT is_stopped") == [(3,)]

        with (
            serve(committed_bundle, store, tmp_path / "second", spool, port, TWO_WORKERS) as second,
            Clients(ahead.port, "ahead") as others,
        ):
            wait_until_answered_by(store, 5)
            postgres.stop()
            for asking in (clients, others):
                asking.wait_for_answers(20)
            postgres.start()
            for asking in (clients, others):
                asking.wait_for_answers(50)
                asking.stop()
            assert [service.predict(ROW, ids=["at both"])[0] for service in (second, ahead)] == [200, 200]
            assert_metrics_are_those_of_all_workers(second, ahead)
            assert [service.process.stop() for service in (second, ahead)] == [0, 0]

    assert clients.refused == others.refused == []
    assert assert_all_accounted_for(store, [*clients.acknowledged, *others.acknowledged, "at both"]) == 0
    assert_views_are_right(store)
    show = CliRunner().invoke(app, ["log", "status", "bike_demand"], env={"CYCLONE_STORE_DSN": store.dsn})
    assert show.exit_code == 0, show.output


def wait_until_answered_by(store: Store, processes: int) -> None:
    """Until so many have rows of their own in the log: the kernel gives connections to both workers."""
    count = "SELECT count(DISTINCT instance_id) FROM prediction_log"
    wait_until(lambda: execute(store, count) == [(processes,)], f"{processes} processes have answered")


def assert_metrics_are_those_of_all_workers(*services: Service) -> None:
    """What they answered, and that nothing waits any more, whichever of a service's workers shows the page."""
    answered = (
        "SELECT sum(requests)::int FROM request_stat INNER JOIN instance_ledger USING (instance_id)"
        " WHERE NOT is_stopped"
    )

    def read(line_start: str) -> float:
        return sum(service.read_metric(line_start) for service in services)

    wait_until(lambda: read("cyclone_log_queue_rows") == 0, "no row waits")
    wait_until(lambda: [(read("cyclone_requests_total"),)] == services[0].query(answered), "all are counted")


def assert_views_are_right(store: Store) -> None:
    """Five processes of one revision, all signed off. Rows count in the hours that their own clocks said."""
    count = "SELECT count(*), count(*) FILTER (WHERE is_stopped), count(DISTINCT revision) FROM log_completeness"
    assert execute(store, count) == [(5, 5, 1)]
    windows = "SELECT window_start, expected - repeated, completeness FROM log_window_completeness ORDER BY 1"
    hours = (
        "SELECT date_trunc('hour', created_at, 'UTC') AS hour, count(*), 1 FROM prediction_log GROUP BY 1 ORDER BY 1"
    )
    assert execute(store, windows) == execute(store, hours)
    ahead = "SELECT bool_and(created_at > now() + interval '30 minutes') FROM prediction_log WHERE id LIKE 'ahead%'"
    assert execute(store, ahead) == [(True,)]
    assert execute(store, "SELECT sum(repeated) > 0 FROM log_completeness") == [(True,)]  # "at both", at least
