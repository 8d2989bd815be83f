"""The first release as Airflow tells of it: its steps one by one, what failed and why, and how it is tried again."""

import getpass
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cyclone.errors import ConfigurationError, PlatformError
from cyclone.places import REPOSITORY
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.airflow_client import AirflowClient
from local_platform.first_release import Step, is_first_run, release_first_version
from local_platform.replay.session import train_first
from tests.support.airflow_api import AirflowApi, run_airflow_api
from tests.support.statements import execute

DAG = "retrain__bike_demand"


@pytest.fixture
def airflow() -> Iterator[AirflowApi]:
    with run_airflow_api() as api:
        api.dags |= {DAG, "monitor__bike_demand"}
        yield api


def make_task(name: str, state: str | None, second: int) -> dict[str, Any]:
    return {"task_id": name, "state": state, "duration": 1.5, "end_date": f"2026-11-30T00:00:{second:02}Z"}


def make_settings(store: Store, tmp_path: Path) -> Settings:
    return Settings(store_dsn=store.dsn, clock="replay", models_dir=REPOSITORY / "models", work_dir=tmp_path)


def test_each_step_is_told_once_in_the_order_of_their_ends_and_without_those_that_were_skipped(
    store: Store, bike_demand: ModelSpec, airflow: AirflowApi, tmp_path: Path
) -> None:
    airflow.tasks = [
        make_task("train", "success", 2),
        make_task("dataset", "success", 1),
        make_task("roll_back", "skipped", 3),
    ]
    told: list[Step] = []
    settings = make_settings(store, tmp_path)
    release_first_version(settings, bike_demand, AirflowClient(airflow.address), told.append)
    assert told == [Step("dataset", "success", 1.5), Step("train", "success", 1.5)]
    assert list(airflow.runs) == [(DAG, "first_release")]
    assert airflow.runs[DAG, "first_release"]["conf"] == {"asked_by": getpass.getuser()}
    # The history is there before the run begins: in a replay, its newest row is the present of the training.
    assert execute(store, "SELECT max(created_at) FROM prediction_log") == [(datetime(2011, 1, 31, 23, tzinfo=UTC),)]


def test_what_failed_is_told_with_its_reason_and_the_next_try_is_another_run(
    store: Store, bike_demand: ModelSpec, airflow: AirflowApi, tmp_path: Path
) -> None:
    execute(
        store,
        "INSERT INTO incident (model, opened_at, reason) VALUES ('bike_demand', now(), 'the first');"
        "INSERT INTO retraining (model, run_id, incident_id, started_at, cost, reason) SELECT 'bike_demand',"
        " 'first_release', incident_id, now(), 1, 'train: pipeline.py has no build_estimator' FROM incident",
    )
    settings, client = make_settings(store, tmp_path), AirflowClient(airflow.address)
    airflow.state, airflow.tasks = "failed", [make_task("train", "failed", 1)]
    message = (
        "the first version of bike_demand was not released: train failed. train: pipeline.py has no build_estimator."
        " Mend that, and run `cyclone train bike_demand` again"
    )
    with pytest.raises(PlatformError) as refused:
        release_first_version(settings, bike_demand, client)
    assert str(refused.value) == message
    airflow.state, airflow.tasks = "success", []
    release_first_version(settings, bike_demand, client)
    assert [run_id for _, run_id in airflow.runs] == ["first_release", "first_release_2"]
    assert all(is_first_run(run_id) for _, run_id in airflow.runs)


def test_a_run_that_is_under_way_is_followed_and_no_other_is_started(
    store: Store, bike_demand: ModelSpec, airflow: AirflowApi, tmp_path: Path
) -> None:
    run = airflow.runs[DAG, "first_release"] = {"dag_run_id": "first_release", "state": "running"}
    airflow.tasks = [make_task("start", "success", 1)]

    def end(step: Step) -> None:
        run["state"] = "success"

    release_first_version(make_settings(store, tmp_path), bike_demand, AirflowClient(airflow.address), end)
    assert list(airflow.runs) == [(DAG, "first_release")]


def test_a_dag_that_is_not_known_yet_is_asked_for_at_once(airflow: AirflowApi) -> None:
    """Airflow parses an unchanged file once a minute, and a new model's DAG comes from one."""
    with pytest.raises(PlatformError, match="DAG retrain__new is unknown after 0"):
        AirflowClient(airflow.address).wait_until_dag_known("retrain__new", 0)
    assert airflow.parsed == []
    with pytest.raises(PlatformError, match="unknown"):
        AirflowClient(airflow.address).wait_until_dag_known("retrain__new", 0.5)
    assert airflow.parsed == [f"file-of-{DAG}"]


def test_a_model_with_a_fault_is_told_before_anything_is_started(
    store: Store, bike_demand: ModelSpec, airflow: AirflowApi, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "bike_demand"
    shutil.copytree(REPOSITORY / "models" / "bike_demand", folder)
    (folder / "pipeline.py").write_text("def build_estimator():\n    return None\n")
    settings = make_settings(store, tmp_path).model_copy(update={"models_dir": folder.parent})
    with pytest.raises(ConfigurationError, match=r"pipeline\.py"):
        train_first(Console(quiet=True), settings, bike_demand, AirflowClient(airflow.address))
    assert airflow.runs == {}
