"""From a dataset to an image: each step on a real Postgres, a real MLflow and the rows of January 2011."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from sklearn.preprocessing import FunctionTransformer

from cyclone.errors import DataError, ReleaseError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.support.datasets import FEBRUARY, make_dataset
from tests.support.staged_releases import record_champion
from tests.support.statements import execute
from training.data.dataset import Dataset, build_dataset, read_dataset
from training.fit.train import Challenger, train_challenger
from training.gate.comparison import compare_with_champion
from training.gate.rules import GateDecision
from training.images.bundle import compute_digest, stage_bundle
from training.images.image import build_image
from training.registry import _store_profile, register_challenger
from training.tracking.client import CHALLENGER, connect, fetch_model
from training.tracking.trusted_types import BOOSTED_TREES, KNOWN_TYPES, require_trusted
from training.validation import validate_dataset

PASSED = GateDecision(True, None, 1.0, 72, "there is no champion to compare with")


def rewrite(dataset: Dataset, frame: pd.DataFrame) -> Dataset:
    frame.to_parquet(dataset.path, index=False)
    return dataset


def test_a_challenger_is_trained_once_a_run_with_all_that_judges_it(
    settings: Settings, bike_demand: ModelSpec, january: int
) -> None:
    dataset = make_dataset(settings, bike_demand)
    validate_dataset(settings, bike_demand, dataset, "run_1")
    challenger = train_challenger(settings, bike_demand, dataset, "run_1")
    assert challenger.training_rows == 587  # all but the newest five days
    assert 5 < challenger.accepted_error < 20  # bikers an hour; January's mean is 55
    assert challenger.metrics["mean_absolute_error"] == challenger.accepted_error
    assert train_challenger(settings, bike_demand, dataset, "run_1") == challenger
    client = connect(settings)
    runs = client.search_runs([client.get_experiment_by_name("bike_demand").experiment_id])
    assert [run.info.run_id for run in runs] == [challenger.mlflow_run_id]
    assert runs[0].data.tags["cyclone.fingerprint"] == dataset.fingerprint
    artifacts = {item.path for item in client.list_artifacts(challenger.mlflow_run_id, "data")}
    assert artifacts == {
        f"data/{name}" for name in ("dataset.json", "dataset.parquet", "validation.html", "validation.json")
    }


def test_a_gate_compares_on_the_newest_rows_and_refuses_a_worse_challenger(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    dataset = make_dataset(settings, bike_demand)
    champion = train_challenger(settings, bike_demand, dataset, "run_1")
    first = compare_with_champion(settings, bike_demand, dataset, champion)
    assert (first.passed, first.champion_error, first.rows) == (True, None, 101)
    client = connect(settings)
    version = register_challenger(settings, bike_demand, champion, first).version
    record_champion(store, "bike_demand", version, FEBRUARY)

    again = compare_with_champion(settings, bike_demand, dataset, champion)
    assert (again.passed, again.champion_error) == (True, again.challenger_error)

    worse = train_on_shuffled_labels(settings, bike_demand)
    decision = compare_with_champion(settings, bike_demand, dataset, worse)
    assert decision.passed is False
    assert decision.champion_error == first.challenger_error
    assert decision.challenger_error > 2 * first.challenger_error
    assert client.get_run(worse.mlflow_run_id).data.tags["cyclone.gate"] == "refused"
    told = execute(store, "SELECT run_id, is_passed, champion_version, reason FROM gate_decision ORDER BY run_id")
    assert told == [("run_1", True, version, again.reason), ("run_shuffled", False, version, decision.reason)]
    with pytest.raises(ReleaseError, match="cannot be registered, because the gate refused it"):
        register_challenger(settings, bike_demand, worse, decision)
    assert [item.version for item in client.search_model_versions("name = 'bike_demand'")] == [version]


def test_a_gate_leaves_out_rows_that_the_champion_was_trained_on(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    """The champion was kept from five days. Then more are asked for, and then days that it knows alone."""
    dataset = make_dataset(settings, bike_demand)
    champion = train_challenger(settings, bike_demand, dataset, "run_1")
    version = register_challenger(settings, bike_demand, champion, PASSED).version
    record_champion(store, "bike_demand", version, FEBRUARY)

    longer = bike_demand.model_copy(update={"retrain": bike_demand.retrain.model_copy(update={"holdout_days": 9})})
    decision = compare_with_champion(settings, longer, dataset, champion)
    assert (decision.rows, decision.days) == (101, 5)

    known = build_dataset(settings, bike_demand, "run_2", datetime(2011, 1, 27, tzinfo=UTC))
    challenger = train_challenger(settings, bike_demand, known, "run_2")
    refused = compare_with_champion(settings, bike_demand, known, challenger)
    assert (refused.passed, refused.champion_error, refused.days) == (False, None, 0)
    assert refused.reason == (
        f"the champion, version {version}, was trained on all rows up to 2011-01-26 17:00. The dataset has no"
        " later row, so nothing is left on which both can be compared. Retrain when labels of later rows have come"
    )
    told = execute(store, "SELECT is_passed, champion_version, reason FROM gate_decision WHERE run_id = 'run_2'")
    assert told == [(False, version, refused.reason)]


def train_on_shuffled_labels(settings: Settings, spec: ModelSpec) -> Challenger:
    dataset = make_dataset(settings, spec, "run_shuffled")
    frame = read_dataset(spec, dataset)
    frame["label"] = frame["label"].sample(frac=1, random_state=1).to_numpy()
    return train_challenger(settings, spec, rewrite(dataset, frame), "run_shuffled")


def test_a_version_is_registered_once_with_its_reference_profile(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    challenger = train_challenger(settings, bike_demand, make_dataset(settings, bike_demand), "run_1")
    registered = register_challenger(settings, bike_demand, challenger, PASSED)
    assert registered.version == 1
    assert register_challenger(settings, bike_demand, challenger, PASSED) == registered
    client = connect(settings)
    assert client.get_model_version_by_alias("bike_demand", CHALLENGER).run_id == challenger.mlflow_run_id
    profile = execute(store, "SELECT version, metric, accepted_error, sample_size FROM reference_profile")
    assert profile == [(1, "mean_absolute_error", challenger.accepted_error, 587)]
    counted = execute(
        store,
        "SELECT feature, sum(count)::integer, count(*), bool_and(is_calendar) FROM reference_bin"
        " WHERE feature IN ('hour', 'weather', 'prediction', 'workingday') GROUP BY feature ORDER BY feature",
    )
    assert counted == [
        ("hour", 587, 18, True),
        ("prediction", 587, 17, False),
        ("weather", 587, 5, False),
        ("workingday", 587, 3, True),
    ]
    errors = dict(execute(store, "SELECT metric, value FROM reference_error"))
    assert errors.pop("mean_absolute_error") == challenger.accepted_error
    assert set(errors) == {"root_mean_squared_error", "weighted_absolute_percentage_error"}
    nulls = execute(store, "SELECT DISTINCT subject FROM reference_null WHERE check_name = 'jensen_shannon'")
    assert sorted(nulls) == [("humidity",), ("prediction",), ("temperature",), ("weather",), ("wind",)]


def test_a_version_that_the_store_knows_of_another_run_gets_no_profile(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    """As when another MLflow gave the same number in the moment between the look and the note."""
    challenger = train_challenger(settings, bike_demand, make_dataset(settings, bike_demand), "run_1")
    profile = "INSERT INTO reference_profile VALUES ('bike_demand', 1, 'other', 'mean_absolute_error', 1, 1, now())"
    execute(store, profile)
    words = rf"knows version 1 of MLflow run other, so it is not of {challenger.mlflow_run_id}\. Clear the task"
    with pytest.raises(ReleaseError, match=words):
        _store_profile(settings, bike_demand, challenger, 1)
    assert execute(store, "SELECT count(*)::integer FROM reference_bin") == [(0,)]


def test_an_image_is_built_once_and_its_digest_follows_its_content(
    settings: Settings, bike_demand: ModelSpec, january: int, bento_home: Path
) -> None:
    challenger = train_challenger(settings, bike_demand, make_dataset(settings, bike_demand), "run_1")
    version = register_challenger(settings, bike_demand, challenger, PASSED).version
    image = build_image(settings, bike_demand, version)
    assert image.reference == "bike_demand:v1"
    source = bento_home / "bentos" / "bike_demand" / "v1" / "src"
    built_at = (source / "release.json").stat().st_mtime_ns
    assert json.loads((source / "release.json").read_text()) == {
        "model": "bike_demand",
        "version": 1,
        "mlflow_run_id": challenger.mlflow_run_id,
        "trusted_types": sorted((*KNOWN_TYPES, *BOOSTED_TREES)),
        "trees": "log",
        "packages": [],
    }
    assert not (source / "models" / "bike_demand" / "data").exists()
    compiled = [path.name for path in source.glob("bento_service/__pycache__/service.*.pyc")]
    assert compiled == [f"service.{sys.implementation.cache_tag}.pyc"]
    assert build_image(settings, bike_demand, version) == image
    assert (source / "release.json").stat().st_mtime_ns == built_at

    bundle = stage_bundle(settings, bike_demand, version)
    assert compute_digest(bundle) == image.digest
    (bundle / "release.json").write_text("{}")
    assert compute_digest(bundle) != image.digest


def test_an_image_of_another_model_under_the_same_tag_is_not_taken(
    settings: Settings, bike_demand: ModelSpec, january: int, bento_home: Path
) -> None:
    challenger = train_challenger(settings, bike_demand, make_dataset(settings, bike_demand), "run_1")
    version = register_challenger(settings, bike_demand, challenger, PASSED).version
    build_image(settings, bike_demand, version)
    release = bento_home / "bentos" / "bike_demand" / "v1" / "src" / "release.json"
    release.write_text(release.read_text().replace(challenger.mlflow_run_id, "another"))
    with pytest.raises(ReleaseError, match="bike_demand:v1 holds the model of MLflow run another"):
        build_image(settings, bike_demand, version)


def test_who_writes_to_mlflow_does_not_decide_what_a_service_executes(
    settings: Settings, bike_demand: ModelSpec, tmp_path: Path
) -> None:
    """MLflow is told that the type is trusted, as somebody could tell it who may write there."""
    kind = "subprocess.getoutput"
    connect(settings)
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            FunctionTransformer(subprocess.getoutput),
            name="model",
            serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
            skops_trusted_types=[kind],
            pip_requirements=["scikit-learn", "skops"],
        )
    kept = connect(settings).get_experiment("0").artifact_location
    assert str(Path(__file__).parents[3]) not in kept, "a test leaves files in the checkout"
    stored = fetch_model(settings, bike_demand, logged.model_uri, tmp_path)
    with pytest.raises(DataError, match=r"a type that model\.yaml does not list under trusted_types.*getoutput"):
        stored.load()
    reviewed = bike_demand.model_copy(update={"trusted_types": (kind,)})
    assert fetch_model(settings, reviewed, logged.model_uri, tmp_path).load().func is subprocess.getoutput


def test_training_names_the_types_that_nobody_has_reviewed(bike_demand: ModelSpec) -> None:
    kind = "subprocess.getoutput"
    estimator = FunctionTransformer(subprocess.getoutput)
    with pytest.raises(DataError, match=rf"add a line to model\.yaml: trusted_types: \[{kind}\]$"):
        require_trusted(bike_demand, estimator)
    assert require_trusted(bike_demand.model_copy(update={"trusted_types": (kind,)}), estimator) == [kind]
