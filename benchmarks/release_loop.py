"""From the opening of an incident to the first client answered by the new version, in the loop of `make demo`.

The demo runs as anybody's would, to its first automatic release. Then the clocks of the store and of Airflow are read.
They tell when the monitor that opened the incident judged the error, when each task ran, and when the first row that a
client sent to the candidate was stored. Requests of the rehearsal are not logged, so they do not count.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg2
from rich.console import Console
from rich.table import Table

from benchmarks.figures import print_figures, read_small
from benchmarks.small_world import make_small_world
from cyclone.errors import PlatformError
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port

KEYS = ("onset_to_served_seconds",)
DEMO_SECONDS = 1200
ONSET = """
SELECT retraining.run_id, min(check_result.evaluated_at)
FROM retraining
INNER JOIN incident_alarm ON retraining.incident_id = incident_alarm.incident_id
INNER JOIN check_result ON incident_alarm.source = check_result.run_id AND check_result.model = retraining.model
WHERE retraining.run_id != 'first_release' AND check_result.kind = 'error'
GROUP BY retraining.run_id, retraining.started_at
ORDER BY retraining.started_at
LIMIT 1
"""
"""The first retraining that the monitor asked for, and when the verdict that led to it was made."""
SERVED = """
SELECT min(prediction_log.stored_at)
FROM release
INNER JOIN prediction_log ON release.model = prediction_log.model AND release.revision = prediction_log.revision
WHERE release.run_id = %s
"""
"""When the first row that a revision answered was stored."""
TASKS = """
SELECT task_id, extract(EPOCH FROM start_date - %(onset)s), extract(EPOCH FROM end_date - start_date)
FROM task_instance
WHERE run_id = %(run)s AND start_date IS NOT NULL
ORDER BY start_date
"""
"""The tasks of a run: seconds from the onset to the start of each, and the seconds that it took."""
console = Console(width=110)


def measure_loop(*, is_small: bool = False) -> dict[str, float]:
    """Run the demo and print the steps of its first automatic release. Errors: `PlatformError` when it fails."""
    with temporary_state("bench-loop") as folder:
        variables = {"CYCLONE_MODELS_DIR": str(make_small_world(folder / "models"))} if is_small else {}
        with console.status("the demo runs to its first automatic release"):
            run_demo(folder / "state", variables)
        with EmbeddedPostgres.start(folder / "state", free_port(0)) as postgres:
            return read_loop(postgres.dsn("cyclone"), postgres.dsn("airflow"))


def run_demo(folder: Path, variables: dict[str, str]) -> None:
    """Run the demo in a process of its own, to its first automatic release. Errors: `PlatformError` when it fails."""
    env = os.environ | variables | {"CYCLONE_WORK_DIR": str(folder), "COLUMNS": "110"}
    command = [sys.executable, "-m", "cyclone", "demo", "--until-release"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=DEMO_SECONDS, check=False)
    if done.returncode:
        raise PlatformError(f"the demo failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")


def read_loop(store_dsn: str, airflow_dsn: str) -> dict[str, float]:
    """Print the steps of the first automatic release of a demo that has ended. Return the figure."""
    run, onset = select(store_dsn, ONSET)[0]
    ((served,),) = select(store_dsn, SERVED, (run,))
    seconds = (served - onset).total_seconds()
    table = Table("step", "began after", "took", title=f"{run}, seconds since the verdict that opened the incident")
    for task, began, took in select(airflow_dsn, TASKS, {"run": run, "onset": onset}):
        table.add_row(task, f"{began:.1f}", f"{took:.1f}" if took is not None else "")
    table.add_row("[bold]first client answered by the new version[/bold]", f"[bold]{seconds:.1f}[/bold]", "")
    console.print(table)
    return {"onset_to_served_seconds": round(seconds, 1)}


def select(dsn: str, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """The rows of a statement of the benchmark's own."""
    connection = psycopg2.connect(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()
    finally:
        connection.close()


if __name__ == "__main__":
    small = read_small(__doc__)
    print_figures(measure_loop(is_small=small), KEYS, is_small=small)
