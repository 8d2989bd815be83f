"""How many models one Airflow can watch: real monitor DAGs on the local platform, each every five minutes.

Nothing is stubbed. Airflow's scheduler, LocalExecutor, triggerer, API server and DAG processor share the machine with
the evaluation store. The fleet of models (`benchmarks/monitoring_fleet.py`) gets a new row of each model a minute.

The fleet keeps up when every run has ended before the next one of its model is due. Sizes are tried from the smallest,
up to the first that does not keep up. A size takes at most half an hour more than it is watched.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import psycopg2
from rich.console import Console
from rich.table import Table

from benchmarks.monitoring_fleet import CADENCE_MINUTES, add_arrivals, count_due, fill_store, make_fleet
from cyclone.store import Store
from local_platform.leftovers import temporary_state
from local_platform.platform import LocalPlatform

PARSE_SECONDS = 300
FIRST_RUN_SECONDS = 600
TELL_SECONDS = 30
POLL_SECONDS = 1.0
console = Console(width=110)


@dataclass(frozen=True)
class Minute:
    """What became of the runs that were due at `due`. The seconds are counted from then."""

    due: datetime
    runs: int
    finished: int
    failed: int
    median_seconds: float
    last_seconds: float

    @property
    def is_kept(self) -> bool:
        """Whether every run ended well, before the next one of its model was due."""
        return self.finished == self.runs and not self.failed and self.last_seconds < CADENCE_MINUTES * 60


@dataclass(frozen=True)
class Fleet:
    """What came of watching so many models. `minutes` is empty if Airflow did not get as far as that."""

    models: int
    minutes: list[Minute]
    cpu_seconds: dict[str, float]
    """The CPU seconds of each part of the platform while the fleet was watched."""
    seconds: float

    @property
    def is_kept(self) -> bool:
        """Whether the fleet kept up."""
        return bool(self.minutes) and all(minute.is_kept for minute in self.minutes)

    @property
    def cpu_ms_a_run(self) -> float:
        """CPU milliseconds for each run that ended, those of idle parts included."""
        return 1000 * sum(self.cpu_seconds.values()) / self.runs

    @property
    def runs(self) -> int:
        """How many runs ended, at least 1 so that it can be divided by."""
        return sum(minute.finished for minute in self.minutes) or 1


def main() -> None:
    """Measure, and end with one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring_airflow", description=__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=[200], help="sizes of the fleet to try")
    parser.add_argument("--minutes", type=int, default=2 * CADENCE_MINUTES, help="minutes to watch each size")
    options = parser.parse_args()
    print(json.dumps(measure_fleets(options.models, options.minutes)))


def measure_fleets(sizes: Sequence[int], minutes: int) -> dict[str, float | None]:
    """The largest fleet that kept up, or 0, and the first that did not, or None.

    Each size has a platform of its own. `cpu_ms_a_run` is that of the largest fleet that was watched to the end.
    """
    kept, cost, failed = 0, None, None
    for size in sorted(sizes):
        fleet = measure_fleet(size, minutes)
        cost = fleet.cpu_ms_a_run if fleet.minutes else cost
        tell(f"{size} models {'kept' if fleet.is_kept else 'did not keep'} up")
        if not fleet.is_kept:
            failed = size
            break
        kept = size
    return {"models_kept_up": kept, "models_not_kept_up": failed, "cpu_ms_a_run": cost}


def measure_fleet(count: int, minutes: int) -> Fleet:
    """Watch so many models for so many minutes, and print what came of it."""
    with temporary_state("bench-fleet") as folder:
        models = make_fleet(folder / "models", count)
        os.environ |= {"CYCLONE_MODELS_DIR": str(models), "CYCLONE_MONITOR_SCHEDULE": "", "CYCLONE_CLOCK": "wall"}
        os.environ.pop("CYCLONE_STORE_DSN", None)
        tell(f"{count} models: starting the platform")
        with LocalPlatform(folder / "state") as platform:
            store, dsn = Store(platform.record.store_dsn), platform.record.build_dsn("airflow")
            fill_store(store, count)
            has_begun = wait_for("known to Airflow", lambda: count_known(dsn), count, PARSE_SECONDS)
            # The first runs all start at once, and roll up two weeks.
            if not has_begun or not wait_for("run once", lambda: count_begun(dsn), count, FIRST_RUN_SECONDS):
                return Fleet(count, [], {}, 0)
            before, began = read_cpu_seconds(platform), time.monotonic()
            found = watch(dsn, store, count, minutes)
            seconds = time.monotonic() - began
            used = {name: spent - before.get(name, 0) for name, spent in read_cpu_seconds(platform).items()}
    fleet = Fleet(count, found, used, seconds)
    print_tables(fleet)
    return fleet


def tell(text: str) -> None:
    """Print a line with the time."""
    console.print(f"{datetime.now(UTC):%H:%M:%S} {text}", highlight=False)


@contextmanager
def read_airflow(dsn: str) -> Iterator[Any]:
    """A cursor on Airflow's metadata database."""
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        yield cursor


def wait_for(what: str, count_done: Callable[[], int], wanted: int, limit_seconds: int) -> bool:
    """Whether all monitors are so far within the limit. Prints every half minute how many are."""
    began = told = time.monotonic()
    while True:
        done, now = count_done(), time.monotonic()
        is_over = done >= wanted or now > began + limit_seconds
        if is_over or now > told + TELL_SECONDS:
            tell(f"{done} of {wanted} monitors are {what} after {now - began:.0f} s")
            told = now
        if is_over:
            return done >= wanted
        time.sleep(POLL_SECONDS)


def count_known(dsn: str) -> int:
    """How many monitor DAGs Airflow knows."""
    with read_airflow(dsn) as cursor:
        cursor.execute("SELECT count(*) FROM dag WHERE dag_id LIKE 'monitor\\_\\_%' AND NOT is_stale")
        return int(cursor.fetchone()[0])


def count_begun(dsn: str) -> int:
    """How many monitors have ended a run."""
    with read_airflow(dsn) as cursor:
        cursor.execute(
            "SELECT count(DISTINCT dag_id) FROM dag_run"
            " WHERE dag_id LIKE 'monitor\\_\\_%' AND state IN ('success', 'failed')"
        )
        return int(cursor.fetchone()[0])


def watch(dsn: str, store: Store, count: int, minutes: int) -> list[Minute]:
    """The next `minutes` minutes, each with its own part of the fleet, once their runs have ended or are overdue."""
    first = datetime.fromtimestamp((time.time() // 60 + 1) * 60, UTC)
    dues = {
        due: count_due(count, due.minute) for due in (first + timedelta(minutes=number) for number in range(minutes))
    }
    for due, runs in dues.items():
        add_arrivals(store)
        time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
        tell(f"{runs} runs are due, {count_unfinished(dsn)} of before have not ended")
    while True:
        found = [read_minute(dsn, due, runs) for due, runs in dues.items()]
        is_overdue = datetime.now(UTC) > found[-1].due + timedelta(minutes=CADENCE_MINUTES)
        if is_overdue or all(minute.finished == minute.runs for minute in found):
            return found
        time.sleep(POLL_SECONDS)


def count_unfinished(dsn: str) -> int:
    """How many runs are queued or running."""
    with read_airflow(dsn) as cursor:
        cursor.execute("SELECT count(*) FROM dag_run WHERE state IN ('queued', 'running')")
        return int(cursor.fetchone()[0])


def read_minute(dsn: str, due: datetime, runs: int) -> Minute:
    """What became of the runs of one minute, from Airflow's metadata database."""
    with read_airflow(dsn) as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE state IN ('success', 'failed')), count(*) FILTER (WHERE state = 'failed'),"
            " percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM end_date - %(due)s)),"
            " max(extract(epoch FROM end_date - %(due)s))"
            " FROM dag_run WHERE dag_id LIKE 'monitor\\_\\_%%' AND data_interval_end = %(due)s",
            {"due": due},
        )
        finished, failed, median, last = cursor.fetchone()
    return Minute(due, runs, finished, failed, float(median or 0), float(last or 0))


def read_cpu_seconds(platform: LocalPlatform) -> dict[str, float]:
    """The CPU seconds of each part so far, with those of its children that have ended."""
    return {name: sum(map(read_cpu, list_processes(guard.pid))) for name, guard in platform.processes.items()}


def list_processes(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def read_cpu(process: psutil.Process) -> float:
    """The CPU seconds of a process and of its ended children. 0 when it is gone."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def print_tables(fleet: Fleet) -> None:
    """Print what became of the runs, and what they cost."""
    title = f"{fleet.models} models, each every {CADENCE_MINUTES} minutes, on {os.cpu_count()} cores"
    table = Table("due", "runs", "ended", "failed", "half after", "last after", title=title)
    for item in fleet.minutes:
        times = (f"{item.median_seconds:.0f} s", f"{item.last_seconds:.0f} s")
        table.add_row(f"{item.due:%H:%M}", str(item.runs), str(item.finished), str(item.failed), *times)
    console.print(table)
    table = Table("part", "CPU, cores", "CPU a run, idling too")
    for name, spent in sorted(fleet.cpu_seconds.items(), key=lambda part: -part[1]):
        table.add_row(name, f"{spent / fleet.seconds:.2f}", f"{1000 * spent / fleet.runs:.0f} ms")
    cores = sum(fleet.cpu_seconds.values()) / fleet.seconds
    table.add_row("all", f"{cores:.2f}", f"{fleet.cpu_ms_a_run:.0f} ms")
    console.print(table)


if __name__ == "__main__":
    main()
