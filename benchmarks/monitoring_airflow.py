"""How many models one Airflow can watch: real monitor DAGs on the local platform, each every five minutes.

Each model of the generated fleet has the same real rows under its own name: bike-sharing demand of the last two weeks,
predictions, labels a day late; and a new row a minute. A fifth of the fleet is due each minute, as `monitor.schedule`
says. Nothing is stubbed: Airflow's scheduler, LocalExecutor, triggerer, API server and DAG processor, and the
evaluation store, share the machine. The fleet keeps up when every run has ended before the next one of its model is
due.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2
from rich.console import Console
from rich.table import Table

from cyclone.settings import REPOSITORY
from cyclone.spec import ModelSpec, load_model_spec
from cyclone.store import Store, Transaction
from local_platform.platform import LocalPlatform

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE = "bike_demand"
DAYS = 14
CADENCE_MINUTES = 5
PARSE_SECONDS = 300
FIRST_RUN_SECONDS = 600
POLL_SECONDS = 1.0
console = Console(width=110)


@dataclass(frozen=True)
class Minute:
    """What became of the runs that were due at `due`. Seconds from then on."""

    due: datetime
    runs: int
    finished: int
    failed: int
    median_seconds: float
    last_seconds: float

    @property
    def is_kept(self) -> bool:
        return self.finished == self.runs and not self.failed and self.last_seconds < CADENCE_MINUTES * 60


def main() -> None:
    """Measure, and end with one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring_airflow", description=__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=[200], help="sizes of the fleet, the smallest first")
    parser.add_argument("--minutes", type=int, default=2 * CADENCE_MINUTES, help="how long to watch each")
    options = parser.parse_args()
    print(json.dumps(measure_fleets(options.models, options.minutes)))


def measure_fleets(sizes: Sequence[int], minutes: int) -> dict[str, int]:
    """`models_kept_up`: the largest fleet that kept up, each on a platform of its own; 0 if the first did not."""
    kept = 0
    for size in sizes:
        if not measure_fleet(size, minutes):
            break
        kept = size
    return {"models_kept_up": kept}


def measure_fleet(count: int, minutes: int) -> bool:
    """Watch so many models for so many minutes, and print what came of it: whether they kept up."""
    with tempfile.TemporaryDirectory(prefix="cyclone-bench-fleet-") as folder:
        models = make_fleet(Path(folder) / "models", count)
        os.environ |= {"CYCLONE_MODELS_DIR": str(models), "CYCLONE_MONITOR_SCHEDULE": "", "CYCLONE_CLOCK": "wall"}
        os.environ.pop("CYCLONE_STORE_DSN", None)
        with LocalPlatform(Path(folder) / "state") as platform:
            store, dsn = Store(platform.record.store_dsn), platform.record.build_dsn("airflow")
            with console.status("seeding"):
                fill_store(store, count)
            wait_until_parsed(dsn, count)
            has_begun = wait_for_first_runs(dsn, count)
            before, began = read_cpu_seconds(platform), time.monotonic()
            found = watch(platform, store, count, minutes) if has_begun else []
            seconds = time.monotonic() - began
            used = {name: spent - before.get(name, 0) for name, spent in read_cpu_seconds(platform).items()}
    if not has_begun:
        return False
    print_tables(count, found, used, seconds)
    return all(minute.is_kept for minute in found)


def name_model(number: int) -> str:
    return f"fleet_{number:04d}"


def make_fleet(models: Path, count: int) -> Path:
    """A folder of `count` copies of the template, each under its own name and due in its own minute of five."""
    source = REPOSITORY / "models" / TEMPLATE
    text = (source / "model.yaml").read_text()
    for number in range(count):
        folder = models / name_model(number)
        folder.mkdir(parents=True)
        named = text.replace(f"name: {TEMPLATE}", f"name: {name_model(number)}", 1)
        schedule = f"{number % CADENCE_MINUTES}-59/{CADENCE_MINUTES} * * * *"
        (folder / "model.yaml").write_text(f"{named}monitor: {{schedule: '{schedule}'}}\n")
        shutil.copy(source / "pipeline.py", folder)
    return models


def fill_store(store: Store, count: int) -> None:
    """Version 1 of every model with its reference profile, its release, and two weeks of rows and labels."""
    rows, models = read_rows(), [name_model(number) for number in range(count)]
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        for parent in ("prediction_log", "label"):
            for day in range(-DAYS, 2):
                cursor.execute("SELECT ensure_partition(%s, now() + make_interval(days => %s))", (parent, day))
        cursor.execute("CREATE TEMPORARY TABLE fleet AS SELECT unnest(%s) AS model", (models,))
        cursor.execute(
            "CREATE TEMPORARY TABLE seed AS SELECT * FROM jsonb_to_recordset(%s::jsonb)"
            " AS seed (hours_ago integer, input jsonb, prediction double precision, label double precision)",
            (json.dumps(rows),),
        )
        cursor.execute(SEED)
        put_profiles(transaction, models)


SEED = """
INSERT INTO release (
    model, version, revision, image, image_digest, run_id, state, traffic_percent, created_at, promoted_at
)
SELECT model, 1, model || '-v1', 'none', 'none', 'seed ' || model, 'champion', 100,
    now() - interval '30 days', now() - interval '30 days'
FROM fleet;
INSERT INTO prediction_id (model, id, created_at)
SELECT model, 'row ' || hours_ago, now() - make_interval(hours => hours_ago) FROM fleet CROSS JOIN seed;
INSERT INTO prediction_log (model, id, version, revision, input, prediction, latency_ms, created_at)
SELECT model, 'row ' || hours_ago, 1, model || '-v1', input, to_jsonb(prediction), 1,
    now() - make_interval(hours => hours_ago)
FROM fleet CROSS JOIN seed;
INSERT INTO label (model, id, label, observed_at)
SELECT model, 'row ' || hours_ago, to_jsonb(label), now() - make_interval(hours => hours_ago - 24)
FROM fleet CROSS JOIN seed WHERE hours_ago > 24
"""

ARRIVAL = """
INSERT INTO prediction_id (model, id, created_at)
SELECT model, 'live ' || now(), now() FROM reference_profile;
INSERT INTO prediction_log (model, id, version, revision, input, prediction, latency_ms, created_at)
SELECT id.model, id.id, 1, 'live', log.input, log.prediction, 1, id.created_at
FROM prediction_id AS id
INNER JOIN prediction_log AS log ON id.model = log.model AND log.id = 'row 24'
WHERE id.id = 'live ' || now()
"""


def read_rows() -> list[dict[str, Any]]:
    """The last two weeks of the history."""
    spec, frame = read_history()
    recent = frame.iloc[-DAYS * 24 :]
    features = json.loads(recent[spec.feature_names].to_json(orient="records"))
    return [
        {"hours_ago": len(recent) - place, "input": row, "prediction": float(prediction), "label": float(label)}
        for place, (row, prediction, label) in enumerate(
            zip(features, recent["prediction"], recent[spec.label.name], strict=True)
        )
    ]


def put_profiles(transaction: Transaction, models: list[str]) -> None:
    """The reference profile of the rows before those that are served, as training stores it."""
    import pandas as pd

    from training.expected_errors import expect_errors
    from training.nulls import build_nulls, flatten_null
    from training.profile import build_profile

    spec, frame = read_history()
    reference = frame.iloc[-10 * DAYS * 24 : -DAYS * 24]
    predictions, labels = reference["prediction"].to_numpy(), reference[spec.label.name]
    subjects = build_profile(spec, reference[spec.feature_names], predictions)
    bins = [item for subject in subjects[:-1] for item in subject.bins]
    bins += expect_errors(spec, subjects[-1].bins, predictions, labels)
    nulls = build_nulls(spec, subjects, pd.to_datetime(reference["created_at"]))
    error = float((reference["prediction"] - labels).abs().mean())
    facts = {"metric": spec.error_metric, "accepted_error": error, "sample_size": len(reference)}
    bins_text = json.dumps([asdict(item) for item in bins])
    nulls_text = json.dumps([flatten_null(item) for item in nulls])
    errors_text = json.dumps({spec.error_metric: error})
    for model in models:
        version = {"model": model, "version": 1}
        transaction.run(
            "training/profile_insert", **version, **facts, mlflow_run_id="none", created_at=datetime.now(UTC)
        )
        transaction.run("training/profile_bins_insert", **version, bins=bins_text)
        transaction.run("training/profile_nulls_insert", **version, nulls=nulls_text)
        transaction.run("training/profile_errors_insert", **version, errors=errors_text)


def read_history() -> "tuple[ModelSpec, pd.DataFrame]":
    """The template's spec and real rows; the prediction is the mean demand of the hour of day."""
    import pandas as pd

    spec = load_model_spec(REPOSITORY / "models" / TEMPLATE)
    frame = pd.read_csv(REPOSITORY / "models" / TEMPLATE / str(spec.history))
    return spec, frame.assign(prediction=frame.groupby("hour")[spec.label.name].transform("mean"))


@contextmanager
def read_airflow(dsn: str) -> Iterator[Any]:
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        yield cursor


def wait_until_parsed(dsn: str, count: int) -> None:
    """Return when Airflow knows every monitor."""
    deadline = time.monotonic() + PARSE_SECONDS
    while True:
        with read_airflow(dsn) as cursor:
            cursor.execute("SELECT count(*) FROM dag WHERE dag_id LIKE 'monitor\\_\\_%' AND NOT is_stale")
            known = cursor.fetchone()[0]
        if known >= count:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"Airflow knows {known} of {count} monitors after {PARSE_SECONDS} s")
        time.sleep(POLL_SECONDS)


def wait_for_first_runs(dsn: str, count: int) -> bool:
    """Whether every monitor has run once in time: the first runs all start at once, and roll up two weeks."""
    began = time.monotonic()
    with console.status("first runs"):
        while True:
            with read_airflow(dsn) as cursor:
                cursor.execute(
                    "SELECT count(DISTINCT dag_id) FROM dag_run"
                    " WHERE dag_id LIKE 'monitor\\_\\_%' AND state IN ('success', 'failed')"
                )
                ended = cursor.fetchone()[0]
            if ended >= count:
                break
            if time.monotonic() > began + FIRST_RUN_SECONDS:
                console.print(f"{ended} of {count} monitors have run once after {FIRST_RUN_SECONDS} s")
                return False
            time.sleep(POLL_SECONDS)
    console.print(f"the first runs, all at once, took {time.monotonic() - began:.0f} s", highlight=False)
    return True


def watch(platform: LocalPlatform, store: Store, count: int, minutes: int) -> list[Minute]:
    """The next `minutes` minutes, each with its own part of the fleet, until their runs have ended or are overdue."""
    first = datetime.fromtimestamp((time.time() // 60 + 1) * 60, UTC)
    dues = [first + timedelta(minutes=number) for number in range(minutes)]
    expected = [
        sum(number % CADENCE_MINUTES == due.minute % CADENCE_MINUTES for number in range(count)) for due in dues
    ]
    dsn = platform.record.build_dsn("airflow")
    for due in dues:
        with store.transaction() as transaction, transaction.connection.cursor() as cursor:
            cursor.execute(ARRIVAL)
        with console.status(f"{count} models, {due:%H:%M}"):
            time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
        console.print(f"{due:%H:%M}: {count_unfinished(dsn)} runs of before have not ended", highlight=False)
    with console.status(f"{count} models, the last runs"):
        while datetime.now(UTC) < dues[-1] + timedelta(minutes=CADENCE_MINUTES):
            found = [read_minute(dsn, due, runs) for due, runs in zip(dues, expected, strict=True)]
            if all(minute.finished == minute.runs for minute in found):
                return found
            time.sleep(POLL_SECONDS)
    return [read_minute(dsn, due, runs) for due, runs in zip(dues, expected, strict=True)]


def count_unfinished(dsn: str) -> int:
    with read_airflow(dsn) as cursor:
        cursor.execute("SELECT count(*) FROM dag_run WHERE state IN ('queued', 'running')")
        return int(cursor.fetchone()[0])


def read_minute(dsn: str, due: datetime, runs: int) -> Minute:
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
    """What each part took so far, its tasks and other children that have ended included."""
    return {name: sum(map(read_cpu, list_processes(guard.pid))) for name, guard in platform.processes.items()}


def list_processes(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def read_cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def print_tables(count: int, minutes: list[Minute], used: dict[str, float], seconds: float) -> None:
    title = f"{count} models, each every {CADENCE_MINUTES} minutes, on {os.cpu_count()} cores"
    table = Table("due", "runs", "ended", "failed", "half after", "last after", title=title)
    for item in minutes:
        table.add_row(
            f"{item.due:%H:%M}",
            str(item.runs),
            str(item.finished),
            str(item.failed),
            f"{item.median_seconds:.0f} s",
            f"{item.last_seconds:.0f} s",
        )
    console.print(table)
    table = Table("part", "CPU, cores", "CPU a run")
    runs = sum(item.finished for item in minutes) or 1
    for name, spent in sorted(used.items(), key=lambda part: -part[1]):
        table.add_row(name, f"{spent / seconds:.2f}", f"{1000 * spent / runs:.0f} ms")
    table.add_row("all", f"{sum(used.values()) / seconds:.2f}", f"{1000 * sum(used.values()) / runs:.0f} ms")
    console.print(table)


if __name__ == "__main__":
    main()
