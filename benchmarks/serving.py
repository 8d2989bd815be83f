"""Serving with the prediction log, beside BentoML without one, the original design, MLflow and FastAPI.

Every candidate answers the same rows with the same model in one worker. All are up for the whole run. They are loaded
in turn, in short rounds, so that whatever else the machine does meets all of them alike. Figures are medians of rounds.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.bundles import fit_model, pack_bundle, save_for_mlflow
from benchmarks.figures import add_small, print_figures
from cyclone.rows.frames import inputs_from_rows
from cyclone.store import Store
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import GuardedProcess, free_port, wait_until_ready

START_SECONDS = 120
MANY = 16
"""The concurrency of the throughput runs. Percentiles are measured at 1."""
REQUEST_ROWS = 100
MEGABYTE = 1024 * 1024
KEYS = (
    "spooled_throughput_ratio",
    "spooled_p99_ratio",
    "committed_throughput_ratio",
    "original_throughput_ratio",
    "mlflow_throughput_ratio",
    "fastapi_throughput_ratio",
    "p99_over_p50",
    "log_overhead_p50_us",
    "writer_rows_per_second",
    "rss_growth_mb_per_million_rows",
)
SMALL = {"rounds": 1, "seconds": 1, "growth_seconds": 2, "writer_rows": 5_000}
"""The defaults of the options in a small run."""
Figures = dict[str, float]
console = Console(width=110)


@dataclass
class Contender:
    """One running server and how it is asked."""

    name: str
    process: GuardedProcess
    port: int
    path: str
    bodies: Path
    has_log: bool = False

    def load(self, concurrency: int, seconds: int, bodies: Path | None = None) -> Figures:
        """The figures of wrk against this server. An answer that is no 2xx ends the benchmark."""
        command = ["wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "20s"]
        script = Path(__file__).with_name("requests.lua")
        env = {**os.environ, "BODIES": str(bodies or self.bodies), "TARGET_PATH": self.path}
        done = subprocess.run(
            [*command, "-s", str(script), f"http://127.0.0.1:{self.port}"],
            env=env,
            capture_output=True,
            text=True,
            timeout=seconds + 60,
        )
        if done.returncode != 0:
            raise SystemExit(f"{self.name}: wrk failed:\n{done.stdout}{done.stderr}")
        figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
        if figures["errors"] or not figures["requests"]:
            raise SystemExit(f"{self.name}: {done.stdout}\n{self.process.read_log_end()}")
        return figures

    def wait_until_settled(self, deadline_seconds: float = 120) -> None:
        """Return when the log has sent what waits, so that it does not run within another candidate's round."""
        deadline = time.monotonic() + deadline_seconds
        while self.has_log and self.read_waiting_rows() > 0:
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name}: rows still wait after {deadline_seconds:g} s")
            time.sleep(0.2)

    def read_waiting_rows(self) -> float:
        """How many rows of the log wait to be sent."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        values = [line.rsplit(" ", 1)[1] for line in lines if line.startswith("cyclone_log_queue_rows")]
        if not values:
            raise SystemExit(f"{self.name}: /metrics does not say how many rows wait")
        return sum(map(float, values))

    def measure_memory(self) -> float:
        """The resident megabytes of the server's processes."""
        parent = psutil.Process(self.process.pid)
        processes = [parent, *parent.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes) / MEGABYTE


def main() -> None:
    """Measure, print the table, and end with one line of JSON."""
    options = read_options()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing, and without it nothing can be loaded. Install it: apt-get install wrk")
    warnings.simplefilter("ignore")
    os.environ["OMP_NUM_THREADS"] = "1"
    with temporary_state("bench-serving") as folder, ExitStack() as stack:
        databases = ("no_log", "spooled", "committed", "original", "writer")
        postgres = stack.enter_context(EmbeddedPostgres.start(folder / "postgres", free_port(0), databases))
        for database in set(databases) - {"original"}:
            Store(postgres.dsn(database)).migrate()
        candidates = {item.name: item for item in start_candidates(stack, folder, postgres)}
        rounds = measure_rounds(candidates, options.rounds, options.seconds)
        growth, grown_rows = measure_growth(candidates["spooled"], folder, options.growth_seconds)
        writer = measure_writer(postgres.dsn("writer"), options.writer_rows)
    report(summarise(rounds), rounds, writer, growth, grown_rows, options)


def read_options() -> argparse.Namespace:
    """The options of the command line, with smaller defaults in a small run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="seconds of a run, of which a candidate has two a round")
    parser.add_argument("--growth-seconds", type=int, default=30)
    parser.add_argument("--writer-rows", type=int, default=200_000)
    add_small(parser)
    if parser.parse_args().small:
        parser.set_defaults(**SMALL)
    return parser.parse_args()


def start_candidates(stack: ExitStack, folder: Path, postgres: EmbeddedPostgres) -> Iterator[Contender]:
    """Start every server and wait until it answers."""
    spec, estimator, rows = fit_model()
    bodies = write_bodies(folder / "rows.txt", [{"rows": [row]} for row in rows])
    encoded = inputs_from_rows(spec, rows).tolist()
    arrays = write_bodies(folder / "arrays.txt", [{"inputs": [row]} for row in encoded])
    spooled = pack_bundle(folder / "spooled", estimator, "spooled")
    committed = pack_bundle(folder / "committed", estimator, "committed")
    served = save_for_mlflow(folder / "mlflow", spec, estimator, rows)
    python, host = [sys.executable, "-m"], ["--host", "127.0.0.1", "--port"]
    service = [*python, "bentoml", "serve", "bento_service.service:PredictionService", *host]
    no_log = [*python, "bentoml", "serve", "no_log:PredictionService", *host]
    cured = [*python, "bentoml", "serve", "cured_bentoml:CuredBentoML", *host]
    original = [*python, "bentoml", "serve", "original_design:OriginalDesign", *host]
    mlflow = [
        *python,
        "mlflow",
        "models",
        "serve",
        "-m",
        str(served),
        "--env-manager",
        "local",
        "--workers",
        "1",
        *host,
    ]
    fastapi = [*python, "uvicorn", "plain_fastapi:app", "--no-access-log", *host]

    def start(name: str, command: list[str], where: Path, ready: str = "/readyz") -> Contender:
        port, database = free_port(0), name.replace(" ", "_")
        env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # mlflow looks there for uvicorn
            "PYTHONPATH": str(where),
            "BENTOML_HOME": str(folder / f"bentoml_{database}"),  # each its own, as a start wipes the metrics there
            "CYCLONE_SPOOL_DIR": str(folder / f"spool_{database}"),
            "CYCLONE_STORE_DSN": postgres.dsn(database),
            "ORIGINAL_DSN": postgres.dsn(database).replace("postgresql:", "postgresql+psycopg2:"),
        }
        process = GuardedProcess.start(name, [*command, str(port)], env, folder / f"{database}.log", cwd=where)
        stack.enter_context(process)
        wait_until_ready(f"http://127.0.0.1:{port}{ready}", START_SECONDS, process)
        if name == "mlflow":
            return Contender(name, process, port, "/invocations", arrays)
        return Contender(name, process, port, "/predict", bodies, has_log=name in ("spooled", "committed"))

    yield start("bentoml", cured, spooled)
    yield start("no log", no_log, spooled)
    yield start("spooled", service, spooled)
    yield start("committed", service, committed)
    yield start("original", original, spooled)
    yield start("mlflow", mlflow, spooled, "/ping")
    yield start("fastapi", fastapi, spooled)


def write_bodies(path: Path, bodies: list[Any]) -> Path:
    """Write the bodies of requests into a file, one a line."""
    path.write_text("".join(json.dumps(body) + "\n" for body in bodies))
    return path


def measure_rounds(candidates: Mapping[str, Contender], rounds: int, seconds: int) -> dict[str, list[Figures]]:
    """The figures of each candidate's rounds: `p50_us` and `p99_us` at concurrency 1, `per_second` at 16."""
    figures: dict[str, list[Figures]] = {name: [] for name in candidates}
    for candidate in candidates.values():
        candidate.load(4, 1)  # warm
        candidate.wait_until_settled()
    for number in range(rounds):
        order = list(candidates.values())
        for candidate in order[number % len(order) :] + order[: number % len(order)]:
            alone = candidate.load(1, seconds)
            candidate.wait_until_settled()
            together = candidate.load(MANY, seconds)
            candidate.wait_until_settled()
            per_second = together["requests"] / together["seconds"]
            figures[candidate.name].append(
                {"p50_us": alone["p50_us"], "p99_us": alone["p99_us"], "per_second": per_second}
            )
            console.print(f"round {number + 1}: {candidate.name}", style="dim")
    return figures


def measure_growth(candidate: Contender, folder: Path, seconds: int) -> tuple[float, int]:
    """The resident megabytes that a million more logged rows would add, from so many seconds of real ones.

    The second value is how many rows these were.
    """
    single = [json.loads(line)["rows"][0] for line in candidate.bodies.read_text().splitlines()]
    many = [
        {"rows": single[start : start + REQUEST_ROWS]} for start in range(0, len(single) - REQUEST_ROWS, REQUEST_ROWS)
    ]
    bodies = write_bodies(folder / "batches.txt", many)
    candidate.load(4, max(1, seconds // 3), bodies)  # after this, all that is kept for good has been allocated
    candidate.wait_until_settled()
    before = candidate.measure_memory()
    rows = int(candidate.load(4, seconds, bodies)["requests"]) * REQUEST_ROWS
    candidate.wait_until_settled()
    return (candidate.measure_memory() - before) / rows * 1e6, rows


def measure_writer(dsn: str, rows: int) -> float:
    """Rows of ten features that one process writes into Postgres a second, with its batches ready in memory."""
    from bento_service.ids import PredictionIds
    from bento_service.log.log_writer import Flush, LogWriter, find_hour
    from bento_service.log.prediction_log import BATCH_ROWS
    from bento_service.log.spool_folder import Instance
    from bento_service.log.spooled_rows import LogRow

    now = datetime.now(UTC)
    writer = LogWriter(dsn, Instance(uuid.uuid4().hex, "ten_features", 1, "ten-features-v1", now))
    text = json.dumps({f"feature_{number}": number * 1.2345 for number in range(10)})
    ids, rates = PredictionIds(), []
    for number, start in enumerate(range(0, rows, BATCH_ROWS), 1):
        last = start + BATCH_ROWS
        answered = [LogRow(ids.make(), now, 1.5, text, "2.5") for _ in range(BATCH_ROWS)]
        lines = "".join(row.to_line(start + place) for place, row in enumerate(answered, 1))
        flush = Flush(number, (lines.encode(),), {find_hour(now): BATCH_ROWS}, {}, last)
        started = time.perf_counter()
        stored = writer.write(flush).stored
        rates.append(stored / (time.perf_counter() - started))
    writer.close()
    return statistics.median(rates)


def summarise(rounds: Mapping[str, list[Figures]]) -> dict[str, float]:
    """The ratios under their keys. Each is the median over rounds, of two candidates in the same round."""

    def compare(name: str, other: str, key: str, join: Callable[[float, float], float]) -> float:
        pairs = zip(rounds[name], rounds[other], strict=True)
        return statistics.median(join(one[key], two[key]) for one, two in pairs)

    def divide(one: float, two: float) -> float:
        return one / two

    return {
        "spooled_throughput_ratio": compare("spooled", "bentoml", "per_second", divide),
        "spooled_p99_ratio": compare("spooled", "bentoml", "p99_us", divide),
        "committed_throughput_ratio": compare("committed", "bentoml", "per_second", divide),
        "original_throughput_ratio": compare("spooled", "original", "per_second", divide),
        "mlflow_throughput_ratio": compare("spooled", "mlflow", "per_second", divide),
        "fastapi_throughput_ratio": compare("spooled", "fastapi", "per_second", divide),
        "p99_over_p50": statistics.median(item["p99_us"] / item["p50_us"] for item in rounds["spooled"]),
        "log_overhead_p50_us": compare("spooled", "no log", "p50_us", lambda one, two: one - two),
    }


def report(
    ratios: dict[str, float],
    rounds: Mapping[str, list[Figures]],
    writer: float,
    growth: float,
    grown_rows: int,
    options: argparse.Namespace,
) -> None:
    """Print the table and end with one line of JSON."""
    table = Table("", "p50, c=1", "p99, c=1", f"requests/s, c={MANY}", "spooled ÷ this")
    for name, figures in rounds.items():
        middle = {key: statistics.median(item[key] for item in figures) for key in figures[0]}
        pairs = zip(rounds["spooled"], figures, strict=True)
        share = statistics.median(one["per_second"] / two["per_second"] for one, two in pairs)
        table.add_row(
            name,
            f"{middle['p50_us'] / 1000:.2f} ms",
            f"{middle['p99_us'] / 1000:.2f} ms",
            f"{middle['per_second']:,.0f}",
            f"{share:.2f}",
        )
    console.print(table)
    console.print(f"medians of {options.rounds} interleaved rounds of {options.seconds} s, one row a request")
    console.print(f"writer: {writer:,.0f} rows/s of ten features, memory: {growth:+.1f} MB a million rows")
    console.print(f"(memory measured over {grown_rows:,} rows in requests of {REQUEST_ROWS})")
    result = {**ratios, "writer_rows_per_second": writer, "rss_growth_mb_per_million_rows": growth}
    print_figures({key: round(value, 3) for key, value in result.items()}, KEYS, is_small=options.small)


if __name__ == "__main__":
    main()
