"""The steps of a retraining as a process of their own, which a test can kill."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

from cyclone.errors import ReleaseError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.integration.releasing import answer, deploy
from training.canary import CanaryWatch
from training.dataset import build_dataset
from training.gate import compare_with_champion
from training.image import build_image
from training.registry import register_challenger
from training.release import deploy_candidate, promote
from training.train import train_challenger
from training.validation import validate_dataset

KILLED = -signal.SIGKILL
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["mlflow", "google.cloud.run_v2", "psycopg2", "sklearn.ensemble", __name__])
Values = dict[str, Any]

STEPS: dict[str, Callable[[Settings, ModelSpec, str, Values], Any]] = {
    "dataset": lambda settings, spec, run, done: build_dataset(settings, spec, run, done["as_of"]),
    "validate": lambda settings, spec, run, done: validate_dataset(settings, spec, done["dataset"]),
    "train": lambda settings, spec, run, done: train_challenger(settings, spec, done["dataset"], run),
    "gate": lambda settings, spec, run, done: compare_with_champion(settings, spec, done["dataset"], done["train"]),
    "register": lambda settings, spec, run, done: register_challenger(settings, spec, done["train"], done["gate"]),
    "image": lambda settings, spec, run, done: build_image(settings, spec, done["register"].version),
    "candidate": lambda settings, spec, run, done: deploy_candidate(
        settings, spec, done["register"].version, done["image"], run
    ),
    "promote": lambda settings, spec, run, done: promote(settings, spec, done["candidate"]),
}
"""By task of the DAG; `done` holds what the steps before returned."""


def run_step(name: str, settings: Settings, spec: ModelSpec, run_id: str, done: Values, is_killed: bool) -> Any:
    """Do one step in a child. One that is killed has done everything and told nobody."""
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_run_step, args=(name, settings, spec, run_id, done, is_killed, theirs))
    child.start()
    theirs.close()
    try:
        result = ours.recv()
    except EOFError:
        result = None
    child.join(120)
    assert child.exitcode == (KILLED if is_killed else 0), f"{name} ended with {child.exitcode}"
    return result


def _run_step(
    name: str, settings: Settings, spec: ModelSpec, run_id: str, done: Values, is_killed: bool, told: Any
) -> None:
    os.chdir(settings.work_dir.parent)
    result = STEPS[name](settings, spec, run_id, done)
    if is_killed:
        os.kill(os.getpid(), signal.SIGKILL)
    told.send(result)


def start_release(settings: Settings, spec: ModelSpec, version: int, failures: int) -> Any:
    """Release a bare version in a child: deploy it, lead its canary, promote it or see it rolled back."""
    child = context.Process(target=_release, args=(settings, spec, version, failures))
    child.start()
    return child


def _release(settings: Settings, spec: ModelSpec, version: int, failures: int) -> None:
    os.chdir(settings.work_dir.parent)
    run_id, store = f"run_{version}", Store(settings.store_dsn)
    watch = CanaryWatch(settings, spec, run_id, patience_seconds=0)
    try:
        candidate = deploy(settings, spec, version)
        while not (state := watch.look()).is_over:
            champion = store.fetch_one("release/current", model=spec.name)
            assert champion is not None
            answer(store, champion["revision"])
            answer(store, f"bike-demand-v{version}", failures=failures)
        if state.is_passed:
            promote(settings, spec, candidate)
    except ReleaseError as error:
        if "is rolled_back" not in str(error):
            raise
