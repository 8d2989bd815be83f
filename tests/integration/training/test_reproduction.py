"""A version trained again, on a real Postgres and a real MLflow, is the same. Where it cannot be, that is said."""

import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cyclone.errors import LineageError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, read_model_yaml
from cyclone.store import Store
from local_platform.processes import free_port
from tests.support.statements import execute
from training.commands import add_commands
from training.data.dataset import build_dataset
from training.fit.train import train_challenger
from training.gate.comparison import compare_with_champion
from training.registry import register_challenger
from training.reproduction import reproduce
from training.tracking.client import connect

REPOSITORY = Path(__file__).resolve().parents[3]
FEBRUARY = datetime(2011, 2, 2, tzinfo=UTC)
UNSEEDED = """
def build_estimator():
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), ExtraTreesRegressor(n_estimators=5, n_jobs=2))
"""
UNREPEATABLE = """
from sklearn.dummy import DummyRegressor


def build_estimator():
    import os

    return DummyRegressor(strategy="constant", constant=int.from_bytes(os.urandom(4), "big"))
"""
IDLE_AND_UNREPEATABLE = """
def build_estimator():
    import os

    from sklearn.dummy import DummyRegressor
    from sklearn.ensemble import VotingRegressor

    idle = DummyRegressor(strategy="constant", constant=int.from_bytes(os.urandom(4), "big"))
    return VotingRegressor([("mean", DummyRegressor()), ("idle", idle)], weights=[1, 0])
"""


@pytest.fixture
def own(settings: Settings, bike_demand: ModelSpec, tmp_path: Path) -> Settings:
    """Settings with a models' folder that a test may change."""
    source = settings.models_dir / "bike_demand"
    target = tmp_path / "models" / "bike_demand"
    target.mkdir(parents=True)
    for name in ("model.yaml", "pipeline.py"):
        shutil.copy(source / name, target / name)
    return settings.model_copy(update={"models_dir": tmp_path / "models"})


def register(settings: Settings, spec: ModelSpec) -> Any:
    """Register version 1, trained on January, and return its MLflow run."""
    dataset = build_dataset(settings, spec, "run_1", FEBRUARY)
    challenger = train_challenger(settings, spec, dataset, "run_1")
    gate = compare_with_champion(settings, spec, dataset, challenger)
    assert register_challenger(settings, spec, challenger, gate).version == 1
    return connect(settings).get_run(challenger.mlflow_run_id)


def find_artifact(run: Any, path: str) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://")) / path


def list_everything(settings: Settings) -> tuple[Any, ...]:
    """What a registration or a training would change."""
    client = connect(settings)
    experiment = client.get_experiment_by_name("bike_demand").experiment_id
    runs = sorted((run.info.run_id, sorted(run.data.tags.items())) for run in client.search_runs([experiment]))
    versions = [(item.version, item.aliases, item.tags) for item in client.search_model_versions("")]
    return runs, versions, sorted(str(path) for path in settings.work_dir.rglob("*"))


def test_a_version_trained_again_is_the_same_bit_for_bit_and_nothing_is_changed(
    own: Settings, bike_demand: ModelSpec, january: int
) -> None:
    run = register(own, bike_demand)
    before = list_everything(own)
    made = reproduce(own, "bike_demand", 1)
    assert made.differing == []
    assert (made.rows, made.largest_difference, made.packages) == (688, 0.0, {})
    assert made.frame == "data/dataset.parquet of the MLflow run"
    assert made.fingerprint == run.data.tags["cyclone.fingerprint"]
    assert made.metrics == (5, 5)
    assert made.arrays[0] == made.arrays[1] > 100
    assert list_everything(own) == before
    assert read_model_yaml(find_artifact(run, "source/model.yaml")) == bike_demand


def test_without_the_stored_rows_the_store_gives_the_same_ones_and_they_weigh_the_same(
    own: Settings, bike_demand: ModelSpec, january: int
) -> None:
    retrain = bike_demand.retrain.model_copy(update={"window_days": 21, "half_life_days": 5})
    run = register(own, bike_demand.model_copy(update={"retrain": retrain}))
    find_artifact(run, "data/dataset.parquet").unlink()
    made = reproduce(own, "bike_demand", 1)
    assert (made.differing, made.frame) == ([], "the store, by the same query and bounds")


def test_a_store_whose_rows_have_changed_is_told_by_the_fingerprint(
    own: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    run = register(own, bike_demand)
    find_artifact(run, "data/dataset.parquet").unlink()
    execute(store, "DELETE FROM prediction_log WHERE id = 'history-2011-01-05T00:00:00Z'")
    with pytest.raises(LineageError, match=r"the store gives 687 rows with fingerprint \w{64}\. 688 rows"):
        reproduce(own, "bike_demand", 1)


def test_stored_rows_that_were_changed_are_not_trained_on(own: Settings, bike_demand: ModelSpec, january: int) -> None:
    run = register(own, bike_demand)
    frame = find_artifact(run, "data/dataset.parquet")
    frame.write_bytes(frame.read_bytes()[:-1] + b"x")
    with pytest.raises(LineageError, match=r"dataset.parquet of MLflow run \w+ is not the file that was trained on"):
        reproduce(own, "bike_demand", 1)


def test_a_version_of_another_run_than_the_store_names_is_not_taken_for_it(
    own: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    run = register(own, bike_demand)
    execute(store, "UPDATE reference_profile SET mlflow_run_id = 'another'")
    words = rf"version 1 in MLflow is of run {run.info.run_id}, and the store knows it as of run another\. What would"
    with pytest.raises(LineageError, match=words):
        reproduce(own, "bike_demand", 1)
    execute(store, "DELETE FROM reference_profile")
    with pytest.raises(LineageError, match="and the store does not know this version"):
        reproduce(own, "bike_demand", 1)


def test_a_pipeline_that_has_changed_since_is_not_run(own: Settings, bike_demand: ModelSpec, january: int) -> None:
    register(own, bike_demand)
    path = own.models_dir / "bike_demand" / "pipeline.py"
    path.write_text(path.read_text().replace("random_state=0", "random_state=1"))
    with pytest.raises(LineageError, match=r"is not what MLflow run .* was trained with\. Put the run's source"):
        reproduce(own, "bike_demand", 1)


def test_an_estimator_that_left_its_seed_open_is_seeded(own: Settings, bike_demand: ModelSpec, january: int) -> None:
    (own.models_dir / "bike_demand" / "pipeline.py").write_text(UNSEEDED)
    register(own, bike_demand)
    assert reproduce(own, "bike_demand", 1).differing == []


@pytest.mark.parametrize(
    ("pipeline", "code", "ends_with"),
    [
        ("", 0, "the same, bit for bit: predictions, metrics and the arrays of the model file\n"),
        (UNREPEATABLE, 1, "NOT the same: predictions, metrics, arrays of the model file\n"),
        (IDLE_AND_UNREPEATABLE, 1, "NOT the same: arrays of the model file\n"),
    ],
)
def test_the_command_says_the_same_only_of_what_it_compared(
    own: Settings,
    bike_demand: ModelSpec,
    january: int,
    monkeypatch: pytest.MonkeyPatch,
    pipeline: str,
    code: int,
    ends_with: str,
) -> None:
    if pipeline:
        (own.models_dir / "bike_demand" / "pipeline.py").write_text(pipeline)
    register(own, bike_demand)
    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(own.models_dir))
    app = typer.Typer()
    add_commands(app)
    told = CliRunner().invoke(app, ["reproduce", "bike_demand", "--version", "1"])
    assert told.exit_code == code
    assert told.output.endswith(ends_with)
    told = CliRunner().invoke(app, ["reproduce", "bike_demand", "--version", "1", "--json"])
    document = json.loads(told.stdout)
    assert (told.exit_code, document["is_same"], document["version"]) == (code, code == 0, 1)


def test_a_version_that_there_is_not_is_named(settings: Settings) -> None:
    with pytest.raises(LineageError, match="bike_demand has no version 9 in MLflow"):
        reproduce(settings, "bike_demand", 9)


def test_an_mlflow_that_is_away_ends_the_command_in_seconds_with_one_line(settings: Settings) -> None:
    address = f"http://127.0.0.1:{free_port(0)}"
    began = time.monotonic()
    told = subprocess.run(
        [sys.executable, "-m", "cyclone", "reproduce", "bike_demand", "--version", "1"],
        env=os.environ | {"MLFLOW_TRACKING_URI": address},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == (
        f"cyclone: MLflow at {address} does not answer: [Errno 111] Connection refused. Start it, or set"
        " MLFLOW_TRACKING_URI to another server\n"
    )
    assert time.monotonic() - began < 30
