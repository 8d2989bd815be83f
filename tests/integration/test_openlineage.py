"""A retraining in a real Airflow tells OpenLineage, Airflow and MLflow where everything comes from."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cyclone.__main__ import app
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.statements import execute
from training.tracking import CHAMPION, connect

REPOSITORY = Path(__file__).resolve().parents[2]
RUN_DAG = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session

bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
run = bag.dags["retrain__bike_demand"].test(use_executor=False)
states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
with create_session() as session:
    links = [
        XComModel.deserialize_value(item)
        for item in session.query(XComModel).filter_by(run_id=run.run_id, key="_link_ValidationLink")
    ]
print("RESULT" + json.dumps({"run_id": run.run_id, "states": states, "links": links}))
"""


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Airflow with a migrated database."""
    home = tmp_path_factory.mktemp("airflow")
    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env={**os.environ, "AIRFLOW_HOME": str(home)}, check=True, capture_output=True)
    return home


@pytest.fixture
def airflow(airflow_home: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of an Airflow whose lineage goes to a file."""
    transport = {"type": "file", "log_file_path": str(tmp_path / "events.jsonl"), "append": True}
    return {
        **os.environ,
        "AIRFLOW_HOME": str(airflow_home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "cyclone",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")]),
    }


def retrain(environment: dict[str, str], folder: Path) -> dict[str, Any]:
    """Run the DAG to its end: its run's id, the states of its tasks, the links of `validate`."""
    command = [sys.executable, "-c", RUN_DAG, str(REPOSITORY / "dags")]
    done = subprocess.run(
        command, env=environment | {"CYCLONE_CLOCK": "wall"}, capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    result: dict[str, Any] = json.loads(line.removeprefix("RESULT"))
    return result


def test_invalid_rows_end_a_retraining_before_it_trains_and_the_incident_names_them(
    settings: Settings, store: Store, january: int, airflow: dict[str, str], tmp_path: Path
) -> None:
    execute(store, "UPDATE label SET label = '-5' WHERE id = 'history-2011-01-10T08:00:00Z'")
    result = retrain(airflow | {"CYCLONE_CLOUD_RUN_ENDPOINT": "http://127.0.0.1:9"}, tmp_path)
    states = result["states"]
    assert [task for task, state in states.items() if state == "failed"] == ["close", "validate"]
    assert {states[task] for task in ("train", "gate", "register", "image", "candidate")} == {"upstream_failed"}
    told = CliRunner().invoke(app, ["explain", "incident", "1"])
    assert told.exit_code == 0, told.output
    reason = (
        "failed, validate: bike_demand: expect_column_values_to_be_between failed for label"
        " (min_value 0.0, max_value 10000.0): row history-2011-01-10T08:00:00Z = -5; see "
    )
    assert reason in told.output
    client = connect(settings)
    (run,) = client.search_runs([client.get_experiment_by_name("bike_demand").experiment_id])
    assert (run.info.status, run.data.params, run.data.tags["cyclone.incident"]) == ("FAILED", {}, "1")
    assert result["links"] == [f"{run.info.artifact_uri}/data/validation.html"]
    events = read_events(tmp_path / "events.jsonl", "retrain__bike_demand.validate")
    (failed,) = [event for event in events if event["eventType"] == "FAIL"]
    assert "row history-2011-01-10T08:00:00Z = -5" in failed["run"]["facets"]["errorMessage"]["message"]
    held = next(event for event in events if event["inputs"])["inputs"][0]["inputFacets"]["dataQualityAssertions"]
    assert [item["column"] for item in held["assertions"] if not item["success"]] == ["label"]


def test_a_retraining_tells_what_each_step_read_and_made(
    start_cloud_run: Callable[[str], Settings],
    bike_demand: ModelSpec,
    january: int,
    bento_home: Path,
    airflow: dict[str, str],
    tmp_path: Path,
) -> None:
    settings = start_cloud_run("bento")
    result = retrain(airflow | {"CYCLONE_CLOUD_RUN_ENDPOINT": settings.cloud_run_endpoint}, tmp_path)
    assert result["states"] == {
        **dict.fromkeys(["start", "dataset", "validate", "train", "gate", "register", "image"], "success"),
        **dict.fromkeys(["candidate", "rehearse", "canary", "promote", "close"], "success"),
        "roll_back": "skipped",
    }

    store = Store(settings.store_dsn)
    ((fingerprint, digest),) = execute(
        store, "SELECT fingerprint, image_digest FROM dataset JOIN release USING (run_id)"
    )
    client = connect(settings)
    version = client.get_model_version_by_alias("bike_demand", CHAMPION)
    assert version.tags == client.get_model_version("bike_demand", "1").tags
    expected = {
        "cyclone.run_id": result["run_id"],
        "cyclone.incident": "1",
        "cyclone.incident.reason": "requested by dag_test",
        "cyclone.requester": f"{result['run_id']} by dag_test",
        "cyclone.fingerprint": fingerprint,
        "cyclone.gate": "passed",
        "cyclone.gate.reason": "there is no champion to compare with",
        "cyclone.image": "bike_demand:v1",
        "cyclone.image_digest": digest,
    }
    run = client.get_run(version.run_id)
    for tags in (version.tags, run.data.tags):
        assert {name: tags.get(name) for name in expected} == expected
    assert result["links"] == [f"{run.info.artifact_uri}/data/validation.html"]

    told = read_lineage(tmp_path / "events.jsonl")
    mlflow = f"mlflow:/{tmp_path / 'mlflow.db'}"
    frame = ("file", str(settings.work_dir / "retrainings" / result["run_id"] / "dataset.parquet"), fingerprint)
    model = (mlflow, f"runs/{version.run_id}/model", None)
    registered = (mlflow, "models/bike_demand", "1")
    image = ("bento", "bike_demand:v1", digest)
    log = [(item["namespace"], item["name"], None) for item in told["dataset"]["inputs"]]
    assert [name.rsplit(".", 2)[1:] for _, name, _ in log] == [["public", "prediction_log"], ["public", "label"]]
    assert {task: (names(event["inputs"]), names(event["outputs"])) for task, event in told.items()} == {
        "dataset": (log, [frame]),
        "validate": ([frame], []),
        "train": ([frame], [model]),
        "gate": ([frame, model], []),
        "register": ([model], [registered]),
        "image": ([registered], [image]),
        "candidate": ([image], [("cloudrun://local/local", "bike-demand", "bike-demand-v1")]),
    }
    assert find_tags(told["dataset"])["incident"] == "1"
    assert find_tags(told["gate"])["gate"] == "passed"
    assert told["dataset"]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == january
    held = told["validate"]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (len(held), all(item["success"] for item in held)) == (29, True)


def read_lineage(path: Path) -> dict[str, Any]:
    """The event of each task that names what it read, by task; every task has told its start and its end as well."""
    tasks = read_events(path, "retrain__bike_demand.")
    ended = {event["job"]["name"].split(".")[1] for event in tasks if event["eventType"] == "COMPLETE"}
    assert {"start", "dataset", "validate", "train", "gate", "register", "image", "candidate", "promote"} <= ended
    return {event["job"]["name"].split(".")[1]: event for event in tasks if event["inputs"]}


def read_events(path: Path, job: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in path.read_text().splitlines()]
    return [event for event in events if event["job"]["name"].startswith(job)]


def names(things: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [
        (item["namespace"], item["name"], item["facets"].get("version", {}).get("datasetVersion")) for item in things
    ]


def find_tags(event: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item["value"] for item in event["run"]["facets"]["tags"]["tags"]}
