"""The local platform: everything that runs on one machine, started and stopped as one.

`python -m local_platform.platform --state-dir DIR` runs it until SIGTERM or SIGINT.
"""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Literal, Self

from cyclone.errors import PlatformError
from cyclone.image_contract import BENTOML_HOME_VARIABLE
from cyclone.places import REPOSITORY, find_shipped
from cyclone.settings import read_settings
from cyclone.store import Store
from local_platform.addresses import PortClaims, build_image_repository, claim_ports
from local_platform.airflow import COMPONENTS, find_plugins, migrate_airflow, start_component
from local_platform.airflow_client import AirflowClient
from local_platform.image_registry import start_registry
from local_platform.inheritance import ENGINE, inherit
from local_platform.mlflow_server import start_mlflow
from local_platform.platform_record import (
    STOP_COMMAND,
    PartRecord,
    PlatformRecord,
    ProcessId,
    cyclone_environment,
    environment,
)
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import GuardedProcess, wait_until_ready

STOP_ORDER = (
    ("scheduler",),
    ("triggerer", "dag-processor", "api-server", "cloud-run", "mlflow"),
    ("postgres", "registry"),
)
"""The groups of parts in the order of their stop. A part is stopped before those that it needs."""
READY_SECONDS = 240.0
"""How long a part may take until it is ready."""
STOP_SECONDS = 90.0
"""How long the whole platform may take to stop."""
_CLOUD_RUN_STOP_SECONDS = 30.0
"""The time that the local Cloud Run may take to end. Its instances have ten seconds of it to send their logs."""
_POLL_SECONDS = 0.1
"""The pause between two looks at parts that start or stop. The value is a choice."""
_WATCH_SECONDS = 1.0
"""The pause between two looks at whether all parts still run. The value is a choice."""


State = Literal["starting", "ready", "stopping", "stopped"]


@dataclass(frozen=True)
class PlatformEvent:
    """A change of a part. `seconds` are counted from the start of the platform, or from the start of its stop."""

    part: str
    state: State
    seconds: float
    address: str = ""


OnEvent = Callable[[PlatformEvent], None]


class LocalPlatform:
    """Postgres, the store, MLflow, the Cloud Run stand-in and Airflow. All end with this process.

    `on_event` may be called from several threads, one at a time.
    """

    def __init__(
        self,
        state_dir: Path,
        on_event: OnEvent = lambda event: None,
        dags_dir: Path | None = None,
        plugins_dir: Path | None = None,
    ) -> None:
        self.state_dir = state_dir.resolve()
        self.processes: dict[str, GuardedProcess] = {}
        self._starts: dict[str, Callable[[], GuardedProcess]] = {}
        self._dags_dir = (dags_dir or find_shipped("dags")).resolve()
        self._plugins_dir = (plugins_dir or find_plugins()).resolve()
        self._on_event = on_event
        self._record: PlatformRecord | None = None
        self._state_lock: IO[str] | None = None
        self._claims = PortClaims()
        self._lock = threading.RLock()
        self._is_stopping = False
        self._began = time.monotonic()

    @property
    def record(self) -> PlatformRecord:
        """The record of where every part is. Errors: `PlatformError` before the start and after the end."""
        if self._record is None:
            raise PlatformError(f"the local platform of {self.state_dir} is not started. Call `start` first")
        return self._record

    def start(self) -> Self:
        """Start every part and return when all are ready. Errors: `PlatformError`, after everything was stopped."""
        self._state_lock = lock_state(self.state_dir)
        self._is_stopping, self._began = False, time.monotonic()
        pool = ThreadPoolExecutor()
        try:
            self._record = self._plan()
            self._record.write()
            self._start_postgres()  # first, because the store, MLflow and Airflow keep their tables there
            first: list[Future[None]] = [
                pool.submit(step)
                for step in (self._migrate_store, self._start_mlflow, self._start_cloud_run, self._start_registry)
            ]
            for done in as_completed([*first, pool.submit(self._start_airflow, first)]):
                done.result()
            self._update(ready_at=datetime.now(UTC).isoformat(timespec="seconds"))
        except BaseException:
            self.stop()
            raise
        finally:
            pool.shutdown()
        return self

    def stop(self) -> None:
        """Stop every part, before the parts that it needs. It may be called again."""
        with self._lock:
            self._is_stopping, self._began = True, time.monotonic()
        for names in STOP_ORDER:
            running = {name: self.processes[name] for name in names if name in self.processes}
            for name, process in running.items():
                self._tell(name, "stopping")
                process.begin_stop()
            for name, process in running.items():
                process.stop()
                self._tell(name, "stopped")
        self.processes.clear()
        self._claims.release()
        if self._record:
            self._record.remove()
            self._record = None
        if self._state_lock:
            self._state_lock.close()
            self._state_lock = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _plan(self) -> PlatformRecord:
        """The record of this start with its ports. What a killed owner left running has ended before."""
        previous = PlatformRecord.read(self.state_dir)
        if previous:
            previous.wait_until_ended(STOP_SECONDS)
        self._claims = claim_ports(self.state_dir)
        ports, settings = self._claims.ports, read_settings()
        record = PlatformRecord(
            owner=ProcessId.of(os.getpid()),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            state_dir=self.state_dir,
            store_dsn="",
            ports=ports,
            dags_dir=self._dags_dir,
            plugins_dir=self._plugins_dir,
            clock=settings.clock,
            monitor_schedule=settings.monitor_schedule,
            image_repository=build_image_repository(ports) if settings.containers else "",
        )
        return replace(record, store_dsn=settings.store_dsn or record.build_dsn("cyclone"))

    def _start_postgres(self) -> None:
        def start() -> GuardedProcess:
            databases = ("cyclone", "airflow", "mlflow")
            return EmbeddedPostgres.start(self.state_dir, self.record.ports["postgres"], databases).process

        self._launch("postgres", self.record.build_dsn("cyclone"), start)
        self._note_ready("postgres")

    def _migrate_store(self) -> None:
        Store(self.record.store_dsn).migrate()

    def _start_mlflow(self) -> None:
        record = self.record
        address = record.build_address("mlflow")
        process = self._launch(
            "mlflow",
            address,
            lambda: start_mlflow(self.state_dir, record.build_dsn("mlflow"), record.ports["mlflow"]),
        )
        wait_until_ready(address + "/health", READY_SECONDS, process)
        self._note_ready("mlflow")

    def _start_registry(self) -> None:
        """Start the registry, and put the base image of all models into it. Building that takes a minute, once."""
        record = self.record
        if not record.image_repository:
            return
        address, folder = record.build_address("registry"), self.state_dir / "registry"
        process = self._launch("registry", address, lambda: start_registry(folder, record.ports["registry"]))
        wait_until_ready(address, READY_SECONDS, process)
        push = [sys.executable, "-m", "training.images.base"]
        variables = os.environ | cyclone_environment(record)  # all of it: building an image may need credentials
        done = subprocess.run(push, env=variables, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PlatformError(done.stderr.strip() or f"training.images.base ended with {done.returncode}")
        self._note_ready("registry")

    def _start_cloud_run(self) -> None:
        record = self.record
        address, state_dir = record.build_address("cloud_run"), self.state_dir / "cloud_run"
        command = [sys.executable, "-m", "local_platform.cloud_run", "--port", str(record.ports["cloud_run"])]
        command += ["--runner", "container" if record.image_repository else "bento"]
        process = self._launch(
            "cloud-run",
            address,
            lambda: GuardedProcess.start(
                "Cloud Run stand-in",
                [*command, "--state-dir", state_dir],
                inherit(*ENGINE) | {BENTOML_HOME_VARIABLE: str(record.bentoml_home), "PYTHONPATH": str(REPOSITORY)},
                self.state_dir / "logs" / "cloud-run.log",
                grace_seconds=_CLOUD_RUN_STOP_SECONDS,
            ),
        )
        wait_until_ready(address + "/healthz", READY_SECONDS, process)
        self._note_ready("cloud-run")

    def _start_airflow(self, first: Sequence[Future[None]]) -> None:
        """Start the API server at once, because it takes longest. Start the rest when `first` is done.

        The rest runs tasks, and `first` are the parts that tasks need.
        """
        place, variables = self.record.airflow, os.environ | environment(self.record)
        migrate_airflow(place, variables)
        since = datetime.now(UTC)
        api_server, *others = COMPONENTS
        self._launch(api_server, place.address, partial(start_component, place, variables, api_server))
        for step in first:
            step.result()
        for name in others:
            self._launch(name, "", partial(start_component, place, variables, name))
        client = AirflowClient(place.address)
        wait_until_ready(f"{place.address}/api/v2/version", READY_SECONDS, self.processes[api_server])
        client.warm_up()
        self._note_ready(api_server)
        self._wait_for_heartbeats(client, since)

    def _wait_for_heartbeats(self, client: AirflowClient, since: datetime) -> None:
        waiting = ["scheduler", "dag_processor", "triggerer"]
        deadline = time.monotonic() + READY_SECONDS
        while waiting:
            silent = client.list_silent_components(since)
            for name in set(waiting) - set(silent):
                self._note_ready(name.replace("_", "-"))
            waiting = silent
            for name in (each.replace("_", "-") for each in silent):
                process = self.processes[name]
                if not process.is_running or time.monotonic() > deadline:
                    raise PlatformError(f"{process.name} gives no sign of life:\n{process.read_log_end()}")
            time.sleep(_POLL_SECONDS if waiting else 0)

    def restart(self, name: str) -> GuardedProcess:
        """Stop a part and start it again on its port. The caller waits until it is ready."""
        if name not in self.processes:
            raise PlatformError(f"part {name!r} does not run. Those that run are {', '.join(self.processes)}")
        self.processes[name].stop()
        self._launch(name, self.record.parts[name].address, self._starts[name])
        return self.processes[name]

    def list_ended(self) -> list[GuardedProcess]:
        """The parts that ended although nobody stopped them."""
        return [process for process in self.processes.values() if not process.is_running]

    def _launch(self, name: str, address: str, start: Callable[[], GuardedProcess]) -> GuardedProcess:
        """Start a part and note it down, unless the platform is being stopped."""
        with self._lock:
            if self._is_stopping:
                raise PlatformError(f"{name} is not started, because the local platform is being stopped")
            self._tell(name, "starting")
            self._starts[name] = start
            process = self.processes[name] = start()
            part = PartRecord(ProcessId.of(process.pid), address)
            self._update(parts={**self.record.parts, name: part})
            return process

    def _note_ready(self, name: str) -> None:
        with self._lock:
            part = replace(self.record.parts[name], ready_at=time.time())
            self._update(parts={**self.record.parts, name: part})
            self._tell(name, "ready", part.address)

    def _update(self, **changes: object) -> None:
        with self._lock:
            self._record = replace(self.record, **changes)  # type: ignore[arg-type]
            self._record.write()

    def _tell(self, name: str, state: State, address: str = "") -> None:
        with self._lock:
            self._on_event(PlatformEvent(name, state, time.monotonic() - self._began, address))


def lock_state(state_dir: Path) -> IO[str]:
    """Take the state directory. Errors: `PlatformError` when it cannot be written to, or another owner holds it."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        file = (state_dir / "platform.lock").open("a")
    except OSError as error:
        raise PlatformError(
            f"the local platform cannot keep its state in {state_dir}: {error.strerror}."
            " Name a folder that can be written to with CYCLONE_WORK_DIR"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        record = PlatformRecord.read(state_dir)
        who = f"pid {record.owner.pid}, since {record.started_at}" if record else "it has just been started"
        raise PlatformError(
            f"the local platform of {state_dir} is already running ({who}). `{STOP_COMMAND}` stops it"
        ) from None
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the platform until it is told to stop. Return the exit code."""
    options = parse_arguments(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _finish)
    try:
        with LocalPlatform(options.state_dir, _print_event, options.dags_dir, options.plugins_dir) as platform:
            _watch(platform)
    except PlatformError as error:
        print(f"platform: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m local_platform.platform", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="for data, logs and platform.json")
    parser.add_argument("--dags-dir", type=Path)
    parser.add_argument("--plugins-dir", type=Path)
    return parser.parse_args(arguments)


def _finish(number: int, frame: FrameType | None) -> None:
    """Leave by an exception, so that everything is stopped. A second signal is ignored, for it would cut that off."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(0)


def _print_event(event: PlatformEvent) -> None:
    print(f"{event.seconds:6.1f} s  {event.part} {event.state} {event.address}".rstrip(), flush=True)


def _watch(platform: LocalPlatform) -> None:
    """Wait for a signal. Tell once of each part that ended before it."""
    told: set[int] = set()
    while True:
        time.sleep(_WATCH_SECONDS)
        for process in platform.list_ended():
            if process.pid not in told:
                told.add(process.pid)
                print(f"{process.name} ended with code {process.poll()}. Its log is {process.log_path}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
