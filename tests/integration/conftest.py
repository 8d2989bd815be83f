"""Fixtures of whoever retrains or releases: settings with a real MLflow, a Bento store, and January in the store."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.processes import GuardedProcess, free_port, wait_until_ready
from tests.support.faults import Postgres
from tests.support.serving import pack_bundle

if TYPE_CHECKING:
    from tests.support.cloud_run_driver import CloudRun

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "models"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed model: what an image holds. Change a copy of it."""
    root = tmp_path_factory.mktemp("bundle")
    pack_bundle(root)
    return root


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres of its own for the tests that stop it. Each starts it again before it begins."""
    made = Postgres(tmp_path_factory.mktemp("postgres"))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated MLflow database that each test copies: making one takes seconds."""
    from training.tracking.client import connect

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    settings = Settings.model_validate({"MLFLOW_TRACKING_URI": f"sqlite:///{path}"})
    # What belongs to no experiment of ours goes beside where the database was made, also from its copies.
    with chdir(path.parent):
        connect(settings).search_experiments()
    return path


@pytest.fixture
def settings(store: Store, tmp_path: Path, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty store, an empty MLflow and an empty work folder."""
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)  # MLflow puts artifacts beside
    monkeypatch.setenv("CYCLONE_STORE_DSN", store.dsn)
    monkeypatch.setenv("CYCLONE_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("CYCLONE_CLOCK", "replay")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return read_settings()


@pytest.fixture
def january(store: Store, bike_demand: ModelSpec) -> int:
    """Put the rows of January 2011 into the store, with their labels. Return how many there are."""
    from training.data.history import load_history

    return load_history(store, bike_demand, MODELS / "bike_demand")


@pytest.fixture
def bento_home() -> Iterator[Path]:
    """The Bento store of this test session, without this test's Bentos afterwards."""
    home = Path(os.environ["BENTOML_HOME"])
    yield home
    shutil.rmtree(home / "bentos", ignore_errors=True)
    (home / "bentos").mkdir(parents=True)


@pytest.fixture
def start_cloud_run(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., Settings]]:
    """Starts a local Cloud Run whose images are Bentos or Python files. Gives settings that lead to it."""
    started: list[GuardedProcess] = []

    def start(runner: str, *flags: str) -> Settings:
        port = free_port(0)
        command = [sys.executable, "-m", "local_platform.cloud_run", "--runner", runner, "--port", str(port), *flags]
        log = tmp_path / "cloud_run.log"
        process = GuardedProcess.start(
            "cloud run", [*command, "--state-dir", str(tmp_path / "cloud_run")], None, log, cwd=REPOSITORY
        )
        started.append(process)
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{address}/v2/projects/local/locations/local/services", 60, process)
        return settings.model_copy(update={"cloud_run_endpoint": address})

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="module")
def cloud_run(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[CloudRun]":
    """A Cloud Run stand-in that the tests of a module share, driven by Google's clients."""
    from tests.support.cloud_run_driver import run_cloud_run

    with run_cloud_run(tmp_path_factory.mktemp("cloud_run"), "--pending-seconds", "20") as running:
        yield running


@pytest.fixture
def cloud(start_cloud_run: Callable[[str], Settings]) -> Settings:
    """Settings that lead to a local Cloud Run whose images are small Python files."""
    return start_cloud_run("python")


@pytest.fixture
def small(bike_demand: ModelSpec) -> ModelSpec:
    """The model with instances that cost little."""
    serving = bike_demand.serving.model_copy(update={"min_instances": 0, "max_instances": 1})
    return bike_demand.model_copy(update={"serving": serving})


@pytest.fixture
def quick(small: ModelSpec) -> ModelSpec:
    """The model with a canary of two steps that waits for nothing but requests."""
    rules = {"steps": (5, 50, 100), "requests_per_step": 20, "seconds_per_step": 0, "on_deadline": "roll_back"}
    release = small.release.model_copy(update={**rules, "deadline_minutes": 10})
    return small.model_copy(update={"release": release})
