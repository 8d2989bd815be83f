"""The DAG files as Airflow reads them, in a process of their own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
READ_DAGS = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
dags = {
    dag.dag_id: {
        "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
        "has_page": bool(dag.doc_md), "catchup": dag.catchup, "max_active_runs": dag.max_active_runs,
        "tags": sorted(dag.tags), "timetable": type(dag.timetable).__name__,
    }
    for dag in bag.dags.values()
}
print("RESULT" + json.dumps({"dags": dags, "errors": {k: str(v) for k, v in bag.import_errors.items()}}))
"""


def read_dags(tmp_path: Path, **variables: str) -> dict[str, Any]:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")]),
        **variables,
    }
    command = [sys.executable, "-c", READ_DAGS, str(REPOSITORY / "dags")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    result: dict[str, Any] = json.loads(line.removeprefix("RESULT"))
    return result


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    result = read_dags(tmp_path_factory.mktemp("dags"))
    assert result["errors"] == {}
    found: dict[str, Any] = result["dags"]
    return found


def test_every_model_has_a_monitor_and_a_retrain_dag(dags: dict[str, Any]) -> None:
    assert set(dags) == {"monitor__bike_demand", "retrain__bike_demand"}


def test_every_dag_has_a_page_runs_once_at_a_time_and_does_not_catch_up(dags: dict[str, Any]) -> None:
    for dag_id, dag in dags.items():
        assert dag["has_page"], dag_id
        assert dag["max_active_runs"] == 1, dag_id
        assert dag["catchup"] is False, dag_id
        assert "bike_demand" in dag["tags"], dag_id


def test_the_monitor_has_real_data_intervals_and_checks_before_it_decides(dags: dict[str, Any]) -> None:
    monitor = dags["monitor__bike_demand"]
    assert monitor["timetable"] == "CronDataIntervalTimetable"
    assert monitor["tasks"] == {
        "roll_up": ["check_drift", "check_error", "check_estimate", "check_service", "compare"],
        "compare": ["decide"],
        "check_drift": ["decide", "reevaluate"],
        "check_error": ["decide", "reevaluate"],
        "check_estimate": ["decide", "reevaluate"],
        "check_service": ["decide", "reevaluate"],
        "reevaluate": [],
        "decide": ["answer_alerts", "recalibrate", "request_retraining", "score_refit", "send_messages", "tell_person"],
        "request_retraining": [],
        "tell_person": [],
        "recalibrate": [],
        "score_refit": [],
        "answer_alerts": [],
        "send_messages": [],
    }


def test_a_retraining_rolls_back_when_a_release_step_fails_and_always_closes(dags: dict[str, Any]) -> None:
    tasks = dags["retrain__bike_demand"]["tasks"]
    assert [name for name, downstream in tasks.items() if "roll_back" in downstream] == [
        "candidate",
        "rehearse",
        "canary",
        "promote",
    ]
    assert "close" in tasks["roll_back"]
    assert "close" in tasks["promote"]


def test_a_broken_model_is_an_import_error_that_names_it_and_the_others_go_on(tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(REPOSITORY / "models" / "bike_demand", models / "bike_demand")
    broken = models / "broken"
    broken.mkdir()
    (broken / "model.yaml").write_text("name: broken\n")
    result = read_dags(tmp_path, CYCLONE_MODELS_DIR=str(models))
    assert set(result["dags"]) == {"monitor__bike_demand", "retrain__bike_demand"}
    (error,) = result["errors"].values()
    assert "broken/model.yaml: task: missing" in error


def test_the_process_of_a_task_builds_the_dag_of_its_model_only(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for name in ("first", "second"):
        shutil.copytree(REPOSITORY / "models" / "bike_demand", models / name)
        path = models / name / "model.yaml"
        path.write_text(path.read_text().replace("name: bike_demand", f"name: {name}", 1))
    result = read_dags(tmp_path, CYCLONE_MODELS_DIR=str(models), _AIRFLOW_PARSING_CONTEXT_DAG_ID="monitor__second")
    assert result["errors"] == {}
    assert {name for name in result["dags"] if name.startswith("monitor__")} == {"monitor__second"}
