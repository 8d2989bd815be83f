"""The record of what runs where: `platform.json` in the state directory. Its owner writes it, all others read it."""

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import psutil

from cyclone.errors import PlatformError
from cyclone.image_contract import BENTOML_HOME_VARIABLE, CLOCK_VARIABLE, MODELS_DIR_VARIABLE, STORE_DSN_VARIABLE
from cyclone.places import is_checkout
from cyclone.settings import read_settings
from cyclone.telemetry import SWITCHES
from local_platform.addresses import build_store_dsn
from local_platform.airflow import AirflowPlace, airflow_environment
from local_platform.webhooks import find_webhook_secret

FILE_NAME = "platform.json"
START_COMMAND, STOP_COMMAND = ("make up", "make down") if is_checkout() else ("cyclone up", "cyclone down")
# The time to connect to a port of this machine, and the pause between two looks at it. The values are choices.
_CONNECT_SECONDS = 1.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class ProcessId:
    """A process that cannot be mistaken for a later one of the same number. `created` are seconds since 1970."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """The identity of the process that has this number now."""
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """The process while it lives. None once it has ended, even if its exit code was not taken yet."""
        try:
            process = psutil.Process(self.pid)
            if process.create_time() != self.created or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except psutil.NoSuchProcess:
            return None
        return process


@dataclass(frozen=True)
class PartRecord:
    """One part: the guard of its program, where it answers, and when it was ready.

    `ready_at` are wall seconds since 1970. None before the part is ready.
    """

    process: ProcessId
    address: str
    ready_at: float | None = None


@dataclass(frozen=True)
class PlatformRecord:
    """The whole platform. `parts` is in the order of their start. `ready_at` is None while the platform starts."""

    owner: ProcessId
    started_at: str
    state_dir: Path
    store_dsn: str
    ports: Mapping[str, int]
    dags_dir: Path
    plugins_dir: Path
    parts: Mapping[str, PartRecord] = field(default_factory=dict)
    ready_at: str | None = None
    clock: str = "wall"
    monitor_schedule: str = ""
    image_repository: str = ""
    """The registry of images, as HOST/PATH. Empty when images are Bentos."""

    @property
    def airflow(self) -> AirflowPlace:
        dsn = self.build_dsn("airflow")
        return AirflowPlace(self.state_dir, dsn, self.ports["airflow"], self.dags_dir, self.plugins_dir)

    @property
    def bentoml_home(self) -> Path:
        """The Bento store that retrainings build into and the Cloud Run stand-in serves from."""
        return self.state_dir / "bentoml"

    def build_address(self, name: str) -> str:
        """The HTTP address of `airflow`, `mlflow` or `cloud_run`."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def build_dsn(self, database: str) -> str:
        """The DSN of a database of the embedded Postgres."""
        return build_store_dsn(self.ports, database)

    def write(self) -> None:
        """Replace the file as a whole, so that a reader sees either the old one or the new one."""
        path = self.state_dir / FILE_NAME
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), indent=1, default=str) + "\n")
        fresh.replace(path)

    @classmethod
    def read(cls, state_dir: Path) -> Self | None:
        """What the platform wrote down at its last start, or None when there was none.

        The processes that it names may have ended since.

        Errors: `PlatformError` when the file cannot be read.
        """
        path = state_dir / FILE_NAME
        try:
            values = json.loads(path.read_text())
            values["owner"] = ProcessId(**values["owner"])
            values |= {name: Path(values[name]) for name in ("state_dir", "dags_dir", "plugins_dir")}
            values["parts"] = {
                name: PartRecord(**(part | {"process": ProcessId(**part["process"])}))
                for name, part in values["parts"].items()
            }
            return cls(**values)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PlatformError(
                f"{path} cannot be read: {error.strerror}. Is the platform of {state_dir} another account's?"
                " Name a folder of your own with CYCLONE_WORK_DIR"
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            raise PlatformError(
                f"{path} cannot be read ({error!r}). Remove it when none of its programs runs"
            ) from error

    def remove(self) -> None:
        (self.state_dir / FILE_NAME).unlink(missing_ok=True)

    def list_running(self) -> list[str]:
        """The parts whose program, or anything that it started, has not ended."""
        return [name for name, part in self.parts.items() if part.process.find()]

    def wait_until_ended(self, deadline_seconds: float) -> None:
        """Return once no part runs. Errors: `PlatformError` naming those that still do."""
        deadline = time.monotonic() + deadline_seconds
        while running := self.list_running():
            if time.monotonic() > deadline:
                named = ", ".join(f"{name} (pid {self.parts[name].process.pid})" for name in running)
                raise PlatformError(f"still running after {deadline_seconds:g} s: {named}. Stop them by their pids")
            time.sleep(_POLL_SECONDS)


def environment(record: PlatformRecord) -> dict[str, str]:
    """The variables with which Airflow's components, its tasks and the `cyclone` command find every part."""
    return airflow_environment(record.airflow) | cyclone_environment(record)


def cyclone_environment(record: PlatformRecord) -> dict[str, str]:
    """The variables of `environment` that are not Airflow's own. They hold none of Airflow's secrets."""
    loopback = {os.environ.get("no_proxy", ""), os.environ.get("NO_PROXY", ""), "127.0.0.1", "localhost"}
    no_proxy = ",".join(sorted(filter(None, loopback)))
    return {
        STORE_DSN_VARIABLE: record.store_dsn,
        "CYCLONE_WORK_DIR": str(record.state_dir),
        MODELS_DIR_VARIABLE: str(read_settings().models_dir.resolve()),
        CLOCK_VARIABLE: record.clock,
        "CYCLONE_MONITOR_SCHEDULE": record.monitor_schedule,
        "CYCLONE_IMAGE_REPOSITORY": record.image_repository,
        "CYCLONE_WEBHOOK_SECRET_FILE": str(find_webhook_secret(record.airflow)),
        "CYCLONE_CLOUD_RUN_ENDPOINT": record.build_address("cloud_run"),
        "MLFLOW_TRACKING_URI": record.build_address("mlflow"),
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        BENTOML_HOME_VARIABLE: str(record.bentoml_home),
        **SWITCHES,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


_found: list[str] = []
"""The variables that `find_running_platform` has set in this process."""


def find_running_platform() -> None:
    """Take the addresses of the local platform, if it runs, for every variable that the environment does not set."""
    record = PlatformRecord.read(read_settings().work_dir)
    if record and record.ready_at and record.owner.find():
        for name, value in environment(record).items():
            if name not in os.environ:
                os.environ[name] = value
                _found.append(name)


def forget_running_platform() -> None:
    """Take back what `find_running_platform` has set, because that platform is about to stop."""
    while _found:
        os.environ.pop(_found.pop(), None)


@dataclass(frozen=True)
class PartStatus:
    """How a part is doing: its guard's process id, whether it answers, and its memory without counting forks twice."""

    name: str
    pid: int
    address: str
    is_up: bool
    memory_mb: float


def read_status(state_dir: Path) -> list[PartStatus]:
    """The status of every part, in the order of their start. Empty when no platform was started."""
    record = PlatformRecord.read(state_dir.resolve())
    return [_read_part(name, part) for name, part in record.parts.items()] if record else []


def _read_part(name: str, part: PartRecord) -> PartStatus:
    guard = part.process.find()
    programs = guard.children(recursive=True) if guard else []
    is_up = bool(programs) and (not part.address or _does_answer(part.address))
    return PartStatus(name, part.process.pid, part.address, is_up, sum(map(_measure_memory, programs)))


def _does_answer(address: str) -> bool:
    port = int(address.rsplit(":", 1)[1].split("/")[0])
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _measure_memory(process: psutil.Process) -> float:
    """The megabytes of a process. Where the system tells, shared pages are divided among those who share them."""
    try:
        memory = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    return float(getattr(memory, "pss", memory.rss)) / 2**20
