"""Processes that a test can kill: forks of one that has imported everything, so that each starts in milliseconds.

Run as a program this file is that process: it reads jobs from its input and forks a child for each.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, BinaryIO

from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store

KILLED = -signal.SIGKILL
PRELOADED = ("mlflow.sklearn", "google.cloud.run_v2", "psycopg2", "sklearn.ensemble", "skops.io")
STEPS = ("dataset", "validate", "train", "gate", "register", "image", "candidate", "promote")
"""The tasks of the DAG that change something, in order."""
Values = dict[str, Any]


@dataclass
class Children:
    """The parent of all children. One job at a time."""

    process: "subprocess.Popen[bytes]"

    @classmethod
    def open(cls) -> "Children":
        return cls(subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    def start(self, job: str, *arguments: Any) -> int:
        """Begin a job. Return the child's process id."""
        assert self.process.stdin is not None
        pickle.dump((job, arguments), self.process.stdin)
        self.process.stdin.flush()
        return int(self._read())

    def wait(self) -> tuple[int, Any]:
        """The exit code of the child begun last, negative for a signal, and what its job returned."""
        code: int = self._read()
        return code, self._read()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        return pickle.load(self.process.stdout)


def run_step(name: str, settings: Settings, spec: ModelSpec, run_id: str, done: Values, is_killed: bool) -> Any:
    """Do one step of a retraining. `done` holds what those before returned. One that is killed has told nobody."""
    result = _do_step(name, settings, spec, run_id, done)
    if is_killed:
        os.kill(os.getpid(), signal.SIGKILL)
    return result


def release(settings: Settings, spec: ModelSpec, version: int, failures: int) -> None:
    """Release a bare version: deploy it, lead its canary, promote it, or see it rolled back."""
    from cyclone.errors import ReleaseError
    from cyclone.releases import current_release
    from releasing.canary_steps import CanaryWatch
    from releasing.promotion import promote

    staged = import_module("staged_releases")  # beside this file
    store, revision = Store(settings.store_dsn), f"bike-demand-v{version}"
    watch = CanaryWatch(settings, spec, f"run_{version}", patience_seconds=0)
    try:
        candidate = staged.deploy(settings, spec, version)
        while not (state := watch.look()).is_over:
            champion = current_release(store, spec.name)
            assert champion is not None
            staged.answer(store, champion.revision)
            staged.answer(store, revision, failures=failures)
            staged.begin_earlier(store)
        if state.is_passed:
            promote(settings, spec, candidate)
    except ReleaseError as error:
        if "is rolled_back" not in str(error):
            raise


def recalibrate(settings: Settings, spec: ModelSpec, day: datetime) -> None:
    """What the monitor's task does on a day."""
    from releasing.recalibration import recalibrate

    recalibrate(settings, spec, day)


def _do_step(name: str, settings: Settings, spec: ModelSpec, run_id: str, done: Values) -> Any:
    from releasing.candidate import deploy_candidate
    from releasing.promotion import promote
    from training.data.dataset import build_dataset
    from training.fit.train import train_challenger
    from training.gate.comparison import compare_with_champion
    from training.images.image import build_image
    from training.registry import register_challenger
    from training.validation import validate_dataset

    match name:
        case "dataset":
            return build_dataset(settings, spec, run_id, done["as_of"])
        case "validate":
            return validate_dataset(settings, spec, done["dataset"], run_id)
        case "train":
            return train_challenger(settings, spec, done["dataset"], run_id)
        case "gate":
            return compare_with_champion(settings, spec, done["dataset"], done["train"])
        case "register":
            return register_challenger(settings, spec, done["train"], done["gate"])
        case "image":
            return build_image(settings, spec, done["register"].version)
        case "candidate":
            return deploy_candidate(settings, spec, done["register"].version, done["image"], run_id)
    return promote(settings, spec, done["candidate"])


def _serve(told: BinaryIO) -> None:
    """Fork a child for each job. Tell its process id, then its exit code and result."""
    from training.tracking.client import QUIET

    os.environ.update(QUIET)
    for name in PRELOADED:
        import_module(name)
    jobs: dict[str, Callable[..., Any]] = {"run_step": run_step, "release": release, "recalibrate": recalibrate}
    while True:
        try:
            job, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        ours, theirs = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(ours)
            os.chdir(arguments[1 if job == "run_step" else 0].work_dir.parent)
            with os.fdopen(theirs, "wb") as result:
                pickle.dump(jobs[job](*arguments), result)
            os._exit(0)
        os.close(theirs)
        _tell(told, pid)
        with os.fdopen(ours, "rb") as result:
            content = result.read()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        _tell(told, code)
        _tell(told, pickle.loads(content) if content else None)


def _tell(told: BinaryIO, value: Any) -> None:
    pickle.dump(value, told)
    told.flush()


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between
    _serve(answers)
