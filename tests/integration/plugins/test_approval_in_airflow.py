"""The task of a canary in a real Airflow, where the model asks for a person's approval."""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cyclone.releases import release_of_run
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.approval.answers import decide
from releasing.approval.questions import Approval, find_question
from releasing.promotion import promote
from tests.support.dag_runner import DagRunner, run_dag_runner
from tests.support.staged_releases import deploy, read_percents, register_versions, write_model
from tests.support.statements import execute

DAG = """
from airflow.sdk import DAG
from cyclone_airflow.canary import CanaryOperator

with DAG("waits_for_a_person"):
    CanaryOperator(task_id="canary", model="bike_demand", is_approved=True)
"""
QUESTION_SECONDS = 90


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[DagRunner]:
    with run_dag_runner(tmp_path) as runner:
        yield runner


def await_question(store: Store, run: str) -> Approval:
    release = release_of_run(store, "bike_demand", run)
    assert release is not None
    for _ in range(QUESTION_SECONDS * 10):
        if (question := find_question(store, release)) is not None:
            return question
        time.sleep(0.1)
    raise AssertionError("nobody was asked")


def test_a_person_is_asked_under_required_actions_and_the_run_follows_the_answer_of_the_store(
    cloud: Settings, store: Store, quick: ModelSpec, runner: DagRunner, tmp_path: Path
) -> None:
    asked = quick.model_copy(update={"release": quick.release.model_copy(update={"approval": "required"})})
    write_model(asked, tmp_path / "models")
    register_versions(cloud, 2)
    promote(cloud, quick, deploy(cloud, quick, 1))
    deploy(cloud, quick, 2)
    runner.start(
        store,
        DAG,
        {
            "CYCLONE_MODELS_DIR": str(tmp_path / "models"),
            "CYCLONE_CLOUD_RUN_ENDPOINT": cloud.cloud_run_endpoint,
            "MLFLOW_TRACKING_URI": cloud.mlflow_uri,
        },
    )
    found = re.search(r"manual__[\d:.T+-]+", runner.read_until("Created dag run."))
    assert found is not None
    run = found[0]
    execute(store, "UPDATE release SET run_id = %(run)s WHERE version = 2", run=run)
    question = await_question(store, run)
    assert question.words.startswith("Version 2 waits for approval before it gets 5 % of the traffic")
    told = runner.read_until("Pausing task as DEFERRED")  # before it is asked
    told += runner.read_until("Pausing task as DEFERRED")
    decide(cloud, asked, False, "ann", "not before the holidays", 2)
    result, said = runner.read_result()
    assert (result["run_id"], result["tasks"]) == (run, {"canary": "failed"})
    assert "refused by ann: not before the holidays" in told + said
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    with closing(sqlite3.connect(tmp_path / "airflow.db")) as database:
        ((subject, body, options),) = database.execute("SELECT subject, body, options FROM hitl_detail").fetchall()
    assert subject == "bike_demand: a candidate waits for your approval. Shall its release go on?"
    assert body == question.words
    assert options == '["Approve", "Refuse"]'
