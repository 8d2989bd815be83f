"""The parts for a user's own DAGs, parsed and run by a real Airflow on a database of its own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cyclone.checks import evaluate_checks
from cyclone.spec import ModelSpec
from cyclone.store import Store

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 120
RUN_DAG = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
(dag,) = bag.dags.values()
run = dag.test(use_executor=False)
states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
print("RESULT" + json.dumps({"run": str(run.state), "tasks": states, "schedule": str(dag.timetable.summary)}))
"""
CHECKS = """
from datetime import timedelta
from airflow.sdk import DAG
from cyclone_airflow.health import ModelChecksOperator, ModelHealthSensor

with DAG("checks"):
    check = ModelChecksOperator(task_id="check", model="bike_demand", kinds=["error"], fail_on_failed=True)
    is_healthy = ModelHealthSensor(task_id="is_healthy", model="bike_demand", kinds=["error"], timeout=0)
    check >> is_healthy
"""
WAITS = """
from airflow.sdk import DAG
from cyclone_airflow.health import ModelHealthSensor

with DAG("waits"):
    ModelHealthSensor(task_id="is_healthy", model="bike_demand", kinds=["error"], poke_interval=0.1, timeout=100)
"""


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("own-dags") / "airflow"
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, env=build_environment(home), check=True, capture_output=True)
    return home


def build_environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")]),
    }


@contextmanager
def run_dag(airflow_home: Path, store: Store, folder: Path, source: str) -> Iterator["subprocess.Popen[str]"]:
    """`dag.test()` of the one DAG in `source`, in a process of its own; its output is one stream."""
    (folder / "dag.py").write_text(source)
    environment = build_environment(airflow_home) | {
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "CYCLONE_STORE_DSN": store.dsn,
        "CYCLONE_CLOCK": "wall",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_DAG, str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_result(process: "subprocess.Popen[str]") -> tuple[dict[str, Any], str]:
    output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    line = next((line for line in output.splitlines() if line.startswith("RESULT")), None)
    assert line is not None, output
    return json.loads(line.removeprefix("RESULT")), output


def put_errors(store: Store, absolute_error: float) -> None:
    """Version 1, accepted with an error of 10, serves; its errors of the last week."""
    now = datetime.now(UTC)
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reference_profile"
            " (model, version, mlflow_run_id, metric, accepted_error, sample_size, created_at)"
            " VALUES ('bike_demand', 1, 'run', 'mean_absolute_error', 10, 100, %(at)s);"
            "INSERT INTO release (model, version, revision, image, image_digest, run_id, state, traffic_percent,"
            " created_at, promoted_at) VALUES ('bike_demand', 1, 'v1', 'image', 'digest', 'first', 'champion', 100,"
            " %(at)s, %(at)s);"
            "INSERT INTO error_rollup (model, version, bucket_start, count, sum_absolute_error, sum_squared_error)"
            " SELECT 'bike_demand', 1, hour, 10, 10 * %(error)s, 10 * %(error)s ^ 2"
            " FROM generate_series(date_trunc('hour', %(now)s - interval '6 days'), %(now)s - interval '1 hour',"
            " interval '1 hour') AS hour",
            {"at": now - timedelta(days=30), "now": now, "error": absolute_error},
        )


def test_the_example_of_the_documentation_runs(
    airflow_home: Path, store: Store, tmp_path: Path, bike_demand: ModelSpec
) -> None:
    page = (REPOSITORY / "docs" / "monitoring.md").read_text()
    (example,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "ModelHealthSensor(" in code)
    put_errors(store, absolute_error=9)
    evaluate_checks(store, bike_demand, "error", datetime.now(UTC), "monitor")
    with run_dag(airflow_home, store, tmp_path, example) as process:
        result, output = read_result(process)
    assert result == {
        "run": "success",
        "tasks": {"is_healthy": "success", "order_bikes": "success"},
        "schedule": "Asset",
    }
    assert "mean_absolute_error  all" in output
    assert "the forecast can be trusted" in output


def test_checks_that_pass_make_the_model_healthy_and_are_recorded_under_a_run_of_their_own(
    airflow_home: Path, store: Store, tmp_path: Path
) -> None:
    put_errors(store, absolute_error=9)
    with run_dag(airflow_home, store, tmp_path, CHECKS) as process:
        result, _ = read_result(process)
    assert result["tasks"] == {"check": "success", "is_healthy": "success"}
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT run_id, kind, verdict FROM check_result")
        ((run_id, kind, verdict),) = cursor.fetchall()
    assert run_id.startswith("checks.check.manual__")
    assert (kind, verdict) == ("error", "passed")


def test_a_failed_check_fails_the_task_that_asked_for_that(airflow_home: Path, store: Store, tmp_path: Path) -> None:
    put_errors(store, absolute_error=90)
    with run_dag(airflow_home, store, tmp_path, CHECKS) as process:
        result, output = read_result(process)
    assert result["tasks"] == {"check": "failed", "is_healthy": "upstream_failed"}
    assert "bike_demand: mean_absolute_error of all failed" in output


def test_without_a_timeout_an_unhealthy_model_fails_the_task_at_once(
    airflow_home: Path, store: Store, tmp_path: Path
) -> None:
    source = CHECKS.replace("    check >> is_healthy\n", "")
    with run_dag(airflow_home, store, tmp_path, source) as process:
        result, output = read_result(process)
    assert result["tasks"]["is_healthy"] == "failed"
    assert "bike_demand is not healthy: no version of bike_demand serves" in output


def test_the_sensor_waits_in_the_triggerer_until_a_verdict_passes(
    airflow_home: Path, store: Store, tmp_path: Path, bike_demand: ModelSpec
) -> None:
    put_errors(store, absolute_error=9)
    with run_dag(airflow_home, store, tmp_path, WAITS) as process:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if "is not healthy: no error check has a verdict" in line:
                break
        else:
            pytest.fail(seen)
        evaluate_checks(store, bike_demand, "error", datetime.now(UTC), "monitor")
        result, output = read_result(process)
    assert result["tasks"] == {"is_healthy": "success"}, output
