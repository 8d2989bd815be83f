"""Constant load through promote, roll back, promote, with instances killed: does a client see anything of it?

Real Bentos of the bike model run on the local Cloud Run, with a real Postgres and MLflow. Every request brings an id of
its own. A client may therefore send it again when the connection to a killed instance breaks, as Cloud Run's clients do
on a 503. The same id is the same prediction, logged once. A request without an answer at the third try has failed.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import requests
from rich.console import Console
from rich.table import Table

from benchmarks.figures import print_figures, read_small
from cyclone.errors import PlatformError
from cyclone.places import REPOSITORY
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store
from local_platform.leftovers import temporary_state
from local_platform.mlflow_server import start_mlflow
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import GuardedProcess, free_port, wait_until_ready
from releasing.candidate import Candidate, deploy_candidate, shift_traffic
from releasing.cloud_run import CloudRun
from releasing.promotion import promote
from training.data.dataset import build_dataset
from training.data.history import load_history
from training.fit.train import train_challenger
from training.gate.comparison import compare_with_champion
from training.images.image import Image, build_image
from training.registry import register_challenger

KEYS = ("rollback_seconds", "requests", "failed_requests")
MODEL = "bike_demand"
CLIENTS = 8
TRIES = 3
REQUEST_SECONDS = 30
START_SECONDS = 120
ROLL_BACK = "cyclone rollback: version 1 serves again"
FEBRUARY = datetime(2011, 2, 2, tzinfo=UTC)
console = Console(width=110)


@dataclass(frozen=True)
class TrafficSize:
    """How much is asked."""

    least_requests: int
    settle_seconds: float
    """The seconds of load between two moves, so that each move meets requests in flight."""


FULL, SMALL = TrafficSize(20_000, 3.0), TrafficSize(500, 0.5)


@dataclass
class Load:
    """Clients that ask one request after the other until they are stopped, and what they were told."""

    address: str
    row: dict[str, Any]
    statuses: Counter[str] = field(default_factory=Counter)
    versions: Counter[int] = field(default_factory=Counter)
    answered_at: dict[int, float] = field(default_factory=dict)
    """The time of each version's first answer since this was emptied."""
    repeated: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def run(self) -> Iterator[None]:
        """Let the clients ask while the block runs."""
        clients = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            self._stop.set()
            for client in clients:
                client.join()

    @property
    def answered(self) -> int:
        """How many requests have an answer or have failed."""
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        """How many requests have failed."""
        return self.answered - self.statuses["200"]

    def wait_for(self, requests_more: int) -> None:
        """Return once so many more requests were answered."""
        wanted = self.answered + requests_more
        while self.answered < wanted:
            time.sleep(0.05)

    def wait_for_version(self, version: int) -> float:
        """The time of the version's first answer, once there is one."""
        while version not in self.answered_at:
            time.sleep(0.05)
        return self.answered_at[version]

    def _ask(self) -> None:
        with requests.Session() as session:
            while not self._stop.is_set():
                body = {"rows": [self.row], "ids": [str(uuid.uuid4())]}
                tries = 1
                while (told := self._send(session, body))[0] != "200" and tries < TRIES:
                    tries += 1
                with self._lock:
                    self.statuses[told[0]] += 1
                    self.versions[told[1]] += 1
                    self.answered_at.setdefault(told[1], time.monotonic())
                    self.repeated += tries > 1

    def _send(self, session: requests.Session, body: dict[str, Any]) -> tuple[str, int]:
        try:
            reply = session.post(f"{self.address}/predict", json=body, timeout=REQUEST_SECONDS)
        except requests.RequestException as error:
            return type(error).__name__, 0
        return str(reply.status_code), int(reply.json()["version"]) if reply.ok else 0


def measure_traffic(size: TrafficSize) -> dict[str, float]:
    """Train three versions, release them under load, and print the table."""
    with temporary_state("bench-release") as folder, run_parts(folder) as settings:
        spec = find_model(settings.models_dir, MODEL)
        load_history(Store(settings.store_dsn), spec, settings.models_dir / MODEL)
        with console.status("three versions are trained and their images built"):
            images = {version: make_version(settings, spec, version) for version in (1, 2, 3)}
        first = deploy(settings, spec, 1, images)
        promote(settings, spec, first)
        return lead_load(size, settings, spec, images, first.service_address)


def lead_load(
    size: TrafficSize, settings: Settings, spec: ModelSpec, images: dict[int, Image], address: str
) -> dict[str, float]:
    """Release, roll back and kill under load. Return the figures."""
    row = Store(settings.store_dsn).fetch("release/rehearsal_rows", model=spec.name, champion=None, newest=1)[0]
    load = Load(address, row["input"])
    seconds: dict[str, float] = {}

    def step(name: str, move: Callable[[], object]) -> None:
        began = time.monotonic()
        move()
        seconds[name] = time.monotonic() - began
        time.sleep(size.settle_seconds)

    began = time.monotonic()
    with load.run():
        time.sleep(size.settle_seconds)
        release(settings, spec, 2, images, step)
        step("instance of version 2 stopped (SIGTERM)", lambda: signal_instance(settings, spec, 2, signal.SIGTERM))
        load.wait_for(100)  # until the stopped instance is replaced
        load.answered_at.clear()
        asked = time.monotonic()
        step(ROLL_BACK, lambda: run_cyclone("rollback", spec.name))
        seconds["… of which until version 1 answers a client"] = load.wait_for_version(1) - asked
        release(settings, spec, 3, images, step)
        step("instance of version 3 killed (SIGKILL)", lambda: signal_instance(settings, spec, 3, signal.SIGKILL))
        load.wait_for(max(0, size.least_requests - load.answered))
    show(load, seconds, time.monotonic() - began)
    running = CloudRun(settings).read_service(spec.service_name)
    if running is None or running.percents != {f"{spec.service_name}-v3": 100}:
        raise PlatformError(f"version 3 should serve alone, but Cloud Run says {running}")
    return {
        "rollback_seconds": round(seconds[ROLL_BACK], 2),
        "requests": load.answered,
        "failed_requests": load.failed,
    }


def release(
    settings: Settings,
    spec: ModelSpec,
    version: int,
    images: dict[int, Image],
    step: Callable[[str, Callable[[], object]], None],
) -> None:
    """Deploy a version, raise its share in two steps, and promote it."""
    found: list[Candidate] = []
    step(f"version {version} deployed at 0 %", lambda: found.append(deploy(settings, spec, version, images)))
    for percent in (20, 50):
        step(f"version {version} has {percent} %", partial(shift_traffic, settings, spec, found[0], percent))
    step(f"version {version} promoted", lambda: promote(settings, spec, found[0]))


def deploy(settings: Settings, spec: ModelSpec, version: int, images: dict[int, Image]) -> Candidate:
    """Deploy a version at 0 % of the traffic."""
    return deploy_candidate(settings, spec, version, images[version], f"run_{version}")


def make_version(settings: Settings, spec: ModelSpec, version: int) -> Image:
    """Train on January, register and build an image. The rows are the same each time, run and version are new."""
    run_id = f"run_{version}"
    dataset = build_dataset(settings, spec, run_id, FEBRUARY)
    challenger = train_challenger(settings, spec, dataset, run_id)
    gate = compare_with_champion(settings, spec, dataset, challenger)
    registered = register_challenger(settings, spec, challenger, gate)
    if registered.version != version:
        raise PlatformError(f"version {registered.version} was registered, {version} was expected")
    return build_image(settings, spec, version)


def signal_instance(settings: Settings, spec: ModelSpec, version: int, number: signal.Signals) -> None:
    """Send a signal to one running instance of a version."""
    revision = f"{spec.service_name}-v{version}"
    for process in psutil.process_iter():
        try:
            is_instance = process.environ().get("K_REVISION") == revision and "guard" not in " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if is_instance and process.net_connections("tcp"):
            process.send_signal(number)
            return
    raise PlatformError(f"no instance of {revision} runs")


def run_cyclone(*arguments: str) -> None:
    """Run the `cyclone` command as a person does, so that its start is part of what is timed."""
    done = subprocess.run([sys.executable, "-m", "cyclone", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PlatformError(f"cyclone {' '.join(arguments)} failed: {done.stdout}{done.stderr}")


def show(load: Load, seconds: dict[str, float], total: float) -> None:
    """Print the table of the moves, and how the requests were answered."""
    table = Table("under load", "seconds", title=f"{load.answered:,} requests by {CLIENTS} clients in {total:.0f} s")
    for name, took in seconds.items():
        table.add_row(name, f"{took:.2f}")
    console.print(table)
    versions = ", ".join(f"version {version}: {count:,}" for version, count in sorted(load.versions.items()))
    console.print(f"{load.failed} failed, {load.repeated} were answered at a second or third try. {versions}")


@contextmanager
def run_parts(folder: Path) -> Iterator[Settings]:
    """Postgres, MLflow and a local Cloud Run, and settings that lead to them, here and in processes started here."""
    folder.chmod(0o755)  # PostgreSQL runs as another account when we are root
    with ExitStack() as stack:
        port = free_port(0)
        postgres = stack.enter_context(EmbeddedPostgres.start(folder, port, ("cyclone", "mlflow")))
        mlflow_port, cloud_port = free_port(0), free_port(0)
        mlflow = stack.enter_context(start_mlflow(folder, postgres.dsn("mlflow"), mlflow_port))
        command = [sys.executable, "-m", "local_platform.cloud_run", "--runner", "bento", "--port", str(cloud_port)]
        variables = {
            "BENTOML_HOME": str(folder / "bentoml"),
            "CYCLONE_STORE_DSN": postgres.dsn("cyclone"),
            "CYCLONE_WORK_DIR": str(folder / "work"),
            "CYCLONE_CLOCK": "replay",
            "CYCLONE_CLOUD_RUN_ENDPOINT": f"http://127.0.0.1:{cloud_port}",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow_port}",
        }
        os.environ.update(variables)
        cloud_run = GuardedProcess.start(
            "cloud run",
            [*command, "--state-dir", str(folder / "cloud_run")],
            os.environ | variables,
            folder / "cloud_run.log",
            cwd=REPOSITORY,
        )
        stack.enter_context(cloud_run)
        wait_until_ready(f"http://127.0.0.1:{cloud_port}/healthz", START_SECONDS, cloud_run)
        wait_until_ready(f"http://127.0.0.1:{mlflow_port}/health", START_SECONDS, mlflow)
        settings = read_settings()
        Store(settings.store_dsn).migrate()
        yield settings


if __name__ == "__main__":
    small = read_small(__doc__)
    print_figures(measure_traffic(SMALL if small else FULL), KEYS, is_small=small)
