"""The gate compares with the champion of the release record, whatever MLflow's alias, numbers and copies say."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cyclone.errors import TrackingError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.support.staged_releases import record_champion
from tests.support.statements import execute
from training.data.dataset import Dataset, build_dataset, read_dataset
from training.fit.train import Challenger, train_challenger
from training.gate.comparison import compare_with_champion
from training.gate.rules import GateDecision
from training.registry import register_challenger
from training.tracking.client import CHAMPION, connect
from training.tracking.versions import fetch_version

FEBRUARY = datetime(2011, 2, 2, tzinfo=UTC)
PASSED = GateDecision(True, None, 1.0, 72, "there is no champion to compare with")
DECISIONS = "SELECT run_id, is_passed, champion_version FROM gate_decision ORDER BY run_id"


@pytest.fixture
def good(settings: Settings, store: Store, bike_demand: ModelSpec, january: int) -> Challenger:
    """Version 1. The record says that it serves, and MLflow has no alias for it."""
    trained = train_challenger(settings, bike_demand, build_dataset(settings, bike_demand, "run_1", FEBRUARY), "run_1")
    assert register_challenger(settings, bike_demand, trained, PASSED).version == 1
    record_champion(store, "bike_demand", 1, FEBRUARY)
    return trained


def train_useless(settings: Settings, spec: ModelSpec) -> tuple[Dataset, Challenger]:
    """A challenger that has learned from labels in random order, and the true rows."""
    true = build_dataset(settings, spec, "run_true", FEBRUARY)
    dataset = build_dataset(settings, spec, "run_2", FEBRUARY)
    frame = read_dataset(spec, dataset)
    frame["label"] = frame["label"].sample(frac=1, random_state=1).to_numpy()
    frame.to_parquet(dataset.path, index=False)
    return true, train_challenger(settings, spec, dataset, "run_2")


def test_a_champion_without_an_alias_is_compared_with(
    settings: Settings, store: Store, bike_demand: ModelSpec, good: Challenger
) -> None:
    dataset, useless = train_useless(settings, bike_demand)
    decision = compare_with_champion(settings, bike_demand, dataset, useless)
    assert (decision.passed, decision.champion_error is None) == (False, False)
    assert execute(store, DECISIONS) == [("run_2", False, 1)]


def test_an_alias_that_names_another_version_is_not_believed(
    settings: Settings, store: Store, bike_demand: ModelSpec, good: Challenger
) -> None:
    dataset, useless = train_useless(settings, bike_demand)
    assert register_challenger(settings, bike_demand, useless, PASSED).version == 2
    connect(settings).set_registered_model_alias("bike_demand", CHAMPION, "2")
    assert not compare_with_champion(settings, bike_demand, dataset, useless).passed
    assert execute(store, DECISIONS) == [("run_2", False, 1)]


def test_a_champion_that_mlflow_has_lost_is_an_error_and_no_first_release(
    settings: Settings, store: Store, bike_demand: ModelSpec, good: Challenger
) -> None:
    dataset, useless = train_useless(settings, bike_demand)
    connect(settings).delete_model_version("bike_demand", "1")
    with pytest.raises(
        TrackingError, match=r"bike_demand: MLflow at .* has no version 1: .* Restore MLflow's database"
    ):
        compare_with_champion(settings, bike_demand, dataset, useless)
    assert execute(store, DECISIONS) == []


def test_a_version_of_another_run_under_the_champions_number_is_refused(
    settings: Settings, store: Store, bike_demand: ModelSpec, good: Challenger
) -> None:
    dataset, useless = train_useless(settings, bike_demand)
    execute(store, "UPDATE reference_profile SET mlflow_run_id = 'lost'")
    with pytest.raises(TrackingError, match=r"version 1 in MLflow at .* is of run \w+, and the store knows it as of"):
        compare_with_champion(settings, bike_demand, dataset, useless)


def test_a_kept_copy_of_another_run_is_not_the_version(
    settings: Settings, bike_demand: ModelSpec, good: Challenger
) -> None:
    fetched = fetch_version(settings, bike_demand, 1)
    note = settings.work_dir / "versions" / "bike_demand" / "v1" / "version.json"
    known: dict[str, Any] = json.loads(note.read_text())
    note.write_text(json.dumps(known | {"mlflow_run_id": "another", "path": "/nowhere/model.skops"}))
    assert fetch_version(settings, bike_demand, 1) == fetched
    assert json.loads(note.read_text()) == known


def test_numbers_that_the_store_knows_of_other_runs_are_passed_over(
    settings: Settings, store: Store, bike_demand: ModelSpec, january: int
) -> None:
    """An MLflow that was set up anew counts from 1, and the store has a version 1 and 2 already."""
    profile = "INSERT INTO reference_profile VALUES ('bike_demand', %(version)s, 'lost', 'm', 1, 1, now())"
    for version in (1, 2):
        execute(store, profile, version=version)
    trained = train_challenger(settings, bike_demand, build_dataset(settings, bike_demand, "run_1", FEBRUARY), "run_1")
    assert register_challenger(settings, bike_demand, trained, PASSED).version == 3
    assert register_challenger(settings, bike_demand, trained, PASSED).version == 3
    known = execute(store, "SELECT version, mlflow_run_id FROM reference_profile ORDER BY version")
    assert known == [(1, "lost"), (2, "lost"), (3, trained.mlflow_run_id)]
