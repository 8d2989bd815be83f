"""What watching costs: the roll-up, a pass of all checks over more and more rows, and Evidently and NannyML beside it.

`measure_cost()` returns the figures, and `python -m benchmarks.monitoring_cost` prints them. Postgres makes the rows,
in a store of their own. They have ten features over seven days. Two features have drifted from the profile of 100,000
reference rows.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.rollups import rebuild, roll_up
from cyclone.checks.verdicts import CheckResult
from cyclone.sections import CheckKind
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port

REPOSITORY = Path(__file__).resolve().parent.parent
WINDOW_END = datetime(2026, 3, 8, tzinfo=UTC)
WINDOW_START = WINDOW_END - timedelta(days=7)
NUMBERS = [f"number_{place}" for place in range(1, 8)]
CATEGORIES = ["colour", "shape", "is_new"]
DRIFTED = {"number_1", "colour"}
"""The features that have drifted. Whoever is measured has to name these and no others."""
KINDS: tuple[CheckKind, ...] = ("drift", "error", "service")
PASSES = 15
"""How many passes of all checks a median is taken of."""
ROUNDS = 3
"""How many roll-ups a median is taken of."""
SPEC = ModelSpec.model_validate(
    {
        "name": "bench",
        "task": "regression",
        "features": [
            *({"name": name, "type": "number"} for name in NUMBERS),
            {"name": "colour", "type": "category", "values": ["red", "green", "blue", "grey"]},
            {"name": "shape", "type": "category", "values": ["round", "square", "flat"]},
            {"name": "is_new", "type": "boolean"},
        ],
        "label": {"name": "amount", "type": "number", "expected_delay_hours": 24},
    }
)
Figures = dict[str, Any]


def measure_cost(millions: Sequence[int] = (10, 30), rows_per_million: int = 1_000_000) -> Figures:
    """Every figure of this part: with a million rows, then with more. A smaller million is for trying it out."""
    with temporary_state("bench-cost") as folder:
        python = start_peers(folder)
        with EmbeddedPostgres.start(folder / "postgres", free_port(0), ("bench",)) as postgres:
            store = Store(postgres.dsn("bench"))
            prepare_store(store)
            add_rows(store, rows_per_million)
            figures = measure_rollup(store, rows_per_million)
            add_labels_and_requests(store)
            figures |= measure_size(store, 1)
            figures |= measure_peers(python, postgres.dsn("bench"), figures)
            copies = 1
            for size in millions:
                add_copies(store, copies, size - 1)
                copies = size
                figures |= measure_size(store, size)
    return figures


def prepare_store(store: Store) -> None:
    """A champion with the profile of the reference rows, which have no drift."""
    import pandas as pd

    from training.fit.null_distributions import build_nulls, flatten_null
    from training.fit.profile import build_profile

    store.migrate()
    execute(
        store, f"CREATE TABLE reference_row AS SELECT {make_input('0', '0.25')} AS input FROM generate_series(1, 1e5)"
    )
    execute(
        store, "SELECT ensure_partition('prediction_log', %s), ensure_partition('label', %s)", WINDOW_START, WINDOW_END
    )
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT input FROM reference_row")
        rows = pd.DataFrame([row for (row,) in cursor.fetchall()])
        days = pd.Series(pd.date_range(end=WINDOW_START, periods=len(rows), freq=timedelta(days=28) / len(rows)))
        subjects = build_profile(SPEC, rows, (50 + 10 * rows["number_2"]).to_numpy())
        version = {"model": SPEC.name, "version": 1}
        transaction.run(
            "training/profile_insert",
            **version,
            mlflow_run_id="run",
            metric=SPEC.error_metric,
            accepted_error=8.0,
            sample_size=len(rows),
            created_at=WINDOW_START,
        )
        bins = [asdict(item) for subject in subjects for item in subject.bins]
        nulls = [flatten_null(item) for item in build_nulls(SPEC, subjects, days)]
        transaction.run("training/profile_bins_insert", **version, bins=json.dumps(bins))
        transaction.run("training/profile_nulls_insert", **version, nulls=json.dumps(nulls))
        transaction.run("training/profile_errors_insert", **version, errors=json.dumps({SPEC.error_metric: 8.0}))
        cursor.execute(
            "INSERT INTO release (model, version, revision, image, image_digest, run_id, state, traffic_percent,"
            " created_at, promoted_at) VALUES ('bench', 1, 'r', 'i', 'd', 'run', 'champion', 100, %(at)s, %(at)s)",
            {"at": WINDOW_START},
        )


def make_input(shift: str, red: str) -> str:
    """The SQL of one row's features. `shift` moves the first of the normal numbers. `red` is the share of red rows."""
    numbers = [f"'{name}', random_normal({shift if name == NUMBERS[0] else 0})" for name in NUMBERS]
    colour = f"CASE WHEN random() < {red} THEN 'red' ELSE (ARRAY['green', 'blue', 'grey'])[1 + floor(random() * 3)] END"
    shape = "(ARRAY['round', 'square', 'flat'])[1 + floor(random() * 3)]"
    return f"jsonb_build_object({', '.join(numbers)}, 'colour', {colour}, 'shape', {shape}, 'is_new', random() < 0.3)"


def add_rows(store: Store, rows: int) -> None:
    """Add rows over the seven days in the order of their time, as they come in a log."""
    row = make_input("0.6", "0.6")
    execute(
        store,
        "INSERT INTO prediction_log (model, id, version, revision, input, prediction, created_at)"
        f" SELECT 'bench', 'row-' || number, 1, 'r', {row}, to_jsonb(50 + 10 * random_normal()),"
        " %s::timestamptz + number::double precision / %s * interval '7 days'"
        " FROM generate_series(0, %s) AS number",
        WINDOW_START,
        rows,
        rows - 1,
    )
    execute(store, "ANALYZE prediction_log")


def add_copies(store: Store, first: int, last: int) -> None:
    """Add every row of `add_rows` again, with an id of its own. The copies are numbered `first` to `last`."""
    execute(
        store,
        "INSERT INTO prediction_log (model, id, version, revision, sequence, input, prediction, created_at)"
        " SELECT model, id || '-' || copy, version, revision, copy, input, prediction, created_at"
        " FROM prediction_log CROSS JOIN generate_series(%s, %s) AS copy WHERE sequence IS NULL",
        first,
        last,
    )
    execute(store, "ANALYZE prediction_log")


def add_labels_and_requests(store: Store) -> None:
    """Add a label for ten thousand rows, and four weeks of requests by the minute."""
    execute(
        store,
        "INSERT INTO prediction_id (model, id, created_at) SELECT model, id, created_at FROM prediction_log"
        " WHERE id IN (SELECT 'row-' || number FROM generate_series(0, 9999) AS number)",
    )
    execute(
        store,
        "INSERT INTO label (model, id, label, observed_at) SELECT model, id, to_jsonb(50 + 10 * random_normal()),"
        " least(created_at + interval '1 day', %s - interval '1 hour') FROM prediction_id",
        WINDOW_END,
    )
    execute(
        store,
        "INSERT INTO request_stat (instance_id, flush_number, model, version, revision, bucket_start, requests,"
        " rejected, failures, latency_ms_sum, latency_counts) SELECT 'instance', number, 'bench', 1, 'r',"
        " %s - number * interval '1 minute', 100, 0, 0, 500, '{0,0,90,10,0,0,0,0,0,0,0,0,0}'"
        " FROM generate_series(1, 28 * 1440) AS number",
        WINDOW_END,
    )


def measure_rollup(store: Store, rows: int) -> Figures:
    """Rows a second of the first roll-up and of rebuilding it, on one connection and so on one core.

    CPU seconds are those of the connection's own process in Postgres. Other work of the machine hardly changes them.
    """
    with store.connected() as kept:
        timings = [clock_backend(kept, lambda: roll_up(kept, SPEC))]
        timings += [clock_backend(kept, lambda: rebuild(kept, SPEC)) for _ in range(ROUNDS - 1)]
    idle = statistics.median(clock(lambda: roll_up(store, SPEC)) for _ in range(ROUNDS))
    rates = [rows / seconds for seconds, _ in timings]
    return {
        "rollup_rows_per_second": statistics.median(rates),
        "rollup_rates": rates,
        "rollup_rows_per_cpu_second": statistics.median(rows / spent for _, spent in timings),
        "rollup_seconds": statistics.median(seconds for seconds, _ in timings),
        "idle_rollup_ms": 1000 * idle,
    }


def measure_size(store: Store, millions: int) -> Figures:
    """Roll up what was added, then time full passes. A pass measures, judges and records every kind of checks."""
    catch_up = clock(lambda: roll_up(store, SPEC))
    refresh_statistics(store)
    seconds, results = [], []
    for number in range(PASSES):
        run_id = f"pass-{millions}-{number}"
        began = time.perf_counter()
        with store.connected() as kept:
            results = [result for kind in KINDS for result in evaluate_checks(kept, SPEC, kind, WINDOW_END, run_id)]
        seconds.append(time.perf_counter() - began)
    expect_drift("Cyclone", [result.subject for result in results if is_drifted(result)])
    return {
        f"catch_up_seconds_{millions}m": catch_up,
        f"check_pass_ms_{millions}m": 1000 * statistics.median(seconds),
        "checks": len({(result.kind, result.check_name) for result in results}),
    }


def refresh_statistics(store: Store) -> None:
    """Do what autovacuum does within minutes. Rebuilds left dead rows, and the planner knows nothing of new tables."""
    import psycopg2

    connection = psycopg2.connect(store.dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) feature_rollup, error_rollup, request_rollup, reference_bin")
    connection.close()


def is_drifted(result: CheckResult) -> bool:
    """Whether the check of the Jensen-Shannon distance has failed."""
    return result.check_name == "jensen_shannon" and result.verdict == "failed"


def expect_drift(who: str, drifted: list[str]) -> None:
    """End the benchmark if `who` does not name exactly the features that have drifted."""
    if set(drifted) != DRIFTED:
        raise SystemExit(f"{who} names {sorted(drifted)} as drifted, but {sorted(DRIFTED)} are")


def start_peers(folder: Path) -> Path:
    """Make an environment with Evidently and NannyML, from their locked requirements. Return its Python."""
    environment = folder / "peers"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", "3.11", environment], check=True)
    python = environment / "bin" / "python"
    requirements = REPOSITORY / "requirements" / "bench-monitoring.txt"
    subprocess.run(
        [*uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", requirements], check=True
    )
    return python


def measure_peers(python: Path, dsn: str, figures: Figures) -> Figures:
    """Both libraries on the window of the pass, each in a process of its own."""
    found: Figures = {}
    for library in ("evidently", "nannyml"):
        window = [WINDOW_START.isoformat(), WINDOW_END.isoformat()]
        script = REPOSITORY / "benchmarks" / "peers" / "drift.py"
        command = [python, script, library, dsn, ",".join(NUMBERS), ",".join(CATEGORIES), *window]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{library} failed:\n{done.stderr}")
        result = json.loads(done.stdout.strip().splitlines()[-1])
        expect_drift(library, result["drifted"])
        seconds = result["read"] + result["compute"]
        found |= {f"{library}_seconds": seconds, f"{library}_read_seconds": result["read"]}
        check_pass = figures["check_pass_ms_1m"] / 1000
        found[f"{library}_speedup"] = seconds / check_pass
        found[f"{library}_speedup_with_rollup"] = seconds / (check_pass + figures["rollup_seconds"])
    return found


def execute(store: Store, statement: str, *values: Any) -> None:
    """Execute a statement of the benchmark's own."""
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def clock(work: Callable[[], Any]) -> float:
    """The seconds that the work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def clock_backend(kept: Store, work: Callable[[], Any]) -> tuple[float, float]:
    """The seconds that work on a kept connection takes, and the CPU seconds of its process in Postgres meanwhile."""
    with kept.transaction() as transaction:
        backend = psutil.Process(transaction.connection.get_backend_pid())
    before = backend.cpu_times()
    seconds = clock(work)
    after = backend.cpu_times()
    return seconds, after.user + after.system - before.user - before.system


def build_table(figures: Figures) -> Table:
    """The table of the figures."""
    table = Table("what", "figure", title="What watching costs", title_justify="left")
    rates = ", ".join(f"{rate:,.0f}" for rate in figures["rollup_rates"])
    table.add_row(
        "rows a second rolled up, ten features, one core", f"{figures['rollup_rows_per_second']:,.0f} of {rates}"
    )
    table.add_row("… a CPU second of its connection", f"{figures['rollup_rows_per_cpu_second']:,.0f}")
    table.add_row("a roll-up without news", f"{figures['idle_rollup_ms']:.0f} ms")
    for key, value in figures.items():
        if key.startswith("check_pass_ms_"):
            size = key.removeprefix("check_pass_ms_").removesuffix("m")
            table.add_row(
                f"a pass of all {figures['checks']} checks, {size} million rows in the window", f"{value:.0f} ms"
            )
    for library in ("evidently", "nannyml"):
        seconds, read = figures[f"{library}_seconds"], figures[f"{library}_read_seconds"]
        table.add_row(f"{library}, the same window", f"{seconds:.1f} s, {read:.1f} s of it reading")
        table.add_row("… times the pass", f"{figures[f'{library}_speedup']:,.0f} ×")
        table.add_row(
            "… times the pass with the roll-up of every row", f"{figures[f'{library}_speedup_with_rollup']:.1f} ×"
        )
    return table


def main() -> None:
    """Measure, print the table, and end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=int, nargs="+", default=[10, 30], help="millions of rows, after the first")
    parser.add_argument("--rows-per-million", type=int, default=1_000_000, help="fewer rows, to try it out")
    options = parser.parse_args()
    figures = measure_cost(options.millions, options.rows_per_million)
    Console(width=110).print(build_table(figures))
    print(json.dumps({key: value for key, value in figures.items() if key != "rollup_rates"}))


if __name__ == "__main__":
    main()
