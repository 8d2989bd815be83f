"""A cold start of the bike model's service, until its first answer: with the estimator's trees, and with the estimator.

Without trees is how every image started before, and how images of other estimators start. Both start as an image does,
with the packages of the image and nothing else, compiled in advance, against a real Postgres. They take turns. What
counts is the processor time and the memory of all processes of the service, so a busy machine changes little.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.bundles import fit_model, pack_bundle
from benchmarks.figures import run_part_alone
from cyclone.errors import PlatformError
from cyclone.image_contract import BENTOML_HOME_VARIABLE, PORT_VARIABLE, SPOOL_DIR_VARIABLE, STORE_DSN_VARIABLE
from cyclone.store import Store
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import GuardedProcess, free_port

KEYS = ("start_cpu_seconds", "start_pss_mb", "start_cpu_seconds_without_trees", "start_pss_mb_without_trees")
PYTHON = Path(sys.prefix) / "serving" / "bin" / "python"
"""The environment with the packages of the base image. `make bench-release` makes it."""
ROUNDS, SMALL_ROUNDS = 7, 1
START_SECONDS = 120
MEGABYTE = 1_000_000
WAYS = {"trees": "with its trees", "estimator": "the estimator itself"}
Start = dict[str, float]
console = Console(width=110)


def measure_starts(rounds: int) -> dict[str, float]:
    """Print the table and return medians of rounds. Errors: `PlatformError`."""
    if not PYTHON.exists():
        raise PlatformError(f"{PYTHON} is missing. `make bench-release` makes it")
    with temporary_state("bench-start") as folder:
        _, estimator, rows = fit_model()
        body = json.dumps({"rows": rows[:1]}).encode()
        bundles = {way: pack_bundle(folder / way, estimator, "spooled", with_trees=way == "trees") for way in WAYS}
        for bundle in bundles.values():
            compile_code(bundle)
        with EmbeddedPostgres.start(folder / "postgres", free_port(0)) as postgres:
            Store(postgres.dsn()).migrate()
            # The first round reads every file from the disk and does not count.
            taken = [
                {way: start(folder, bundles[way], postgres.dsn(), body) for way in WAYS} for _ in range(rounds + 1)
            ]
    return report(taken[1:])


def compile_code(bundle: Path) -> None:
    """Compile a bundle's code, as the base image has it."""
    subprocess.run([PYTHON, "-m", "compileall", "-q", bundle], check=True)


def start(folder: Path, bundle: Path, dsn: str, body: bytes) -> Start:
    """Start a service in an environment of its own, and measure it when it has answered once."""
    home, port = folder / "home", free_port(0)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(bundle),
        PORT_VARIABLE: str(port),
        BENTOML_HOME_VARIABLE: str(home),
        SPOOL_DIR_VARIABLE: str(home / "spool"),
        STORE_DSN_VARIABLE: dsn,
    }
    return await_answer(bundle, variables, folder / f"{bundle.name}.log", f"http://127.0.0.1:{port}/predict", body)


def await_answer(bundle: Path, variables: Mapping[str, str], log: Path, address: str, body: bytes) -> Start:
    """The seconds, processor seconds and megabytes until the answer. Errors: `PlatformError` when there is none."""
    command = [str(PYTHON), "-P", "-m", "bento_service", "127.0.0.1"]
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    began = time.perf_counter()
    with GuardedProcess.start("service", command, dict(variables), log, cwd=bundle) as process:
        while True:
            try:
                urllib.request.urlopen(request, timeout=START_SECONDS).close()
                break
            except (urllib.error.HTTPError, OSError) as error:
                if time.perf_counter() - began > START_SECONDS or not psutil.pid_exists(process.pid):
                    raise PlatformError(f"the service does not answer: {error}. Look at {log}") from error
                time.sleep(0.02)  # the connection is refused until the process listens
        seconds = time.perf_counter() - began
        parent = psutil.Process(process.pid)
        family = [parent, *parent.children(recursive=True)]
        cpu = sum(sum(each.cpu_times()[:2]) for each in family)
        pss = sum(each.memory_full_info().pss for each in family)
    return {"cpu": cpu, "pss": pss / MEGABYTE, "seconds": seconds}


def report(taken: list[dict[str, Start]]) -> dict[str, float]:
    """Print the table and return the figures."""
    table = Table(
        "a start until the first answer", "processor time", "memory", "wall", title=f"{len(taken)} rounds, in turn"
    )
    medians = {
        way: {name: statistics.median(each[way][name] for each in taken) for name in ("cpu", "pss", "seconds")}
        for way in WAYS
    }
    for way, words in WAYS.items():
        found = medians[way]
        table.add_row(words, f"{found['cpu']:.2f} s", f"{found['pss']:.0f} MB", f"{found['seconds']:.1f} s")
    console.print(table)
    values = [round(medians[way][name], 2) for way in WAYS for name in ("cpu", "pss")]
    return dict(zip(KEYS, values, strict=True))


def main() -> int:
    """Print the table and one line of JSON. Return the exit code."""
    return run_part_alone(
        "cold_start", __doc__, KEYS, lambda is_small: measure_starts(SMALL_ROUNDS if is_small else ROUNDS)
    )


if __name__ == "__main__":
    sys.exit(main())
