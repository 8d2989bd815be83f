"""The whole road of a newcomer, with a stopwatch: from a CSV to a retraining that its own error caused.

The commands are those of the documents, each a process of its own, on a platform of its own: `init`, `check`, `replay`
and `status`. What is waited for is read from the platform's store: the first row that was answered and logged, the
first verdicts of the monitor, and the first version that an alarm brought into service.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cyclone.errors import CycloneError
from cyclone.settings import Settings
from cyclone.spec import find_model
from cyclone.store import Row, Store
from local_platform.platform_record import PlatformRecord
from local_platform.status.model import read_model_status

DEADLINE_SECONDS = 1200
"""How long a road may take. Ten minutes are promised on two idle cores, and other work may double that."""
COMMAND_SECONDS = 180
"""How long a command may take that is no replay. Each takes seconds on an idle machine."""
LOOK_SECONDS = 2.0
"""The pause between two looks at the store. A look takes milliseconds."""
MILESTONES = ("prediction", "verdicts", "alarm", "retrained")
COMMANDS = 4
"""The commands that are typed: `init`, `check`, `replay` and `status`."""


def walk_road(name: str, csv: Path, label: str) -> dict[str, float]:
    """The seconds from the first command to each milestone. A milestone that was not reached is left out."""
    with tempfile.TemporaryDirectory(prefix="road-", ignore_cleanup_errors=True) as folder:
        env = {**os.environ, "CYCLONE_MODELS_DIR": f"{folder}/models", "CYCLONE_WORK_DIR": f"{folder}/work"}
        began = time.monotonic()
        type_command(env, "init", name, "--from", str(csv), "--label", label)
        type_command(env, "check", name)
        reached: dict[str, float] = {"check": time.monotonic() - began}
        with replaying(env, name, Path(folder) / "replay.log") as is_running:
            while is_running() and time.monotonic() - began < DEADLINE_SECONDS and len(reached) <= len(MILESTONES):
                for milestone in look(Path(folder), name):
                    reached.setdefault(milestone, time.monotonic() - began)
                time.sleep(LOOK_SECONDS)
            type_command(env, "status", name, may_fail=True)
    return {milestone: round(seconds, 1) for milestone, seconds in reached.items()}


def look(folder: Path, name: str) -> list[str]:
    """The milestones that the store shows by now."""
    record = PlatformRecord.read((folder / "work").resolve())
    if record is None:
        return []
    settings = Settings(store_dsn=record.store_dsn, models_dir=folder / "models", work_dir=record.state_dir)
    try:
        status = read_model_status(settings, find_model(settings.models_dir, name))
        events = Store(record.store_dsn).fetch("lineage/timeline", model=name)
        newest = Store(record.store_dsn).fetch_one("log/newest_replayed", model=name)
    except CycloneError:
        return []  # the store is not made yet
    alarms = [event for event in events if is_alarm(event)]
    is_retrained = any(event["event"] == "promoted" and alarms and event["at"] > alarms[0]["at"] for event in events)
    shown = (
        newest is not None and newest["newest"] is not None,
        status["verdicts"].get("passed", 0) + status["verdicts"].get("failed", 0) > 0,
        bool(alarms),
        is_retrained,
    )
    return [milestone for milestone, is_shown in zip(MILESTONES, shown, strict=True) if is_shown]


def is_alarm(event: Row) -> bool:
    """Whether the monitor opened an incident. The first version is asked for by a person."""
    return event["event"] == "incident opened" and "requested by" not in str(event["detail"])


@contextmanager
def replaying(env: Mapping[str, str], name: str, log: Path) -> Iterator[Callable[[], bool]]:
    """Replay until the block ends, and stop the platform. Gives whether the replay still runs."""
    command = [sys.executable, "-m", "cyclone", "replay", name]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=env, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            yield lambda: process.poll() is None
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            type_command(env, "down", may_fail=True)
    if process.returncode not in (0, 130):
        print(log.read_text())


def type_command(env: Mapping[str, str], *words: str, may_fail: bool = False) -> None:
    """Run a command as a person types it. It has to end well, unless it says how a model is."""
    command = [sys.executable, "-m", "cyclone", *words]
    subprocess.run(command, env=env, check=not may_fail, capture_output=True, timeout=COMMAND_SECONDS)
