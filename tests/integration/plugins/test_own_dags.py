"""The parts for a user's own DAGs, parsed and run by a real Airflow on a database of its own."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cyclone.checks.evaluation import evaluate_checks
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import floor_hour
from tests.support.dag_runner import REPOSITORY, DagRunner, run_dag_runner
from tests.support.statements import put_champion, put_hourly_errors

CHECKS = """
from datetime import timedelta
from airflow.sdk import DAG
from cyclone_airflow.health import ModelChecksOperator, ModelHealthSensor

with DAG("{dag_id}"):
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
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagRunner]:
    with run_dag_runner(tmp_path_factory.mktemp("own-dags")) as runner:
        yield runner


def put_errors(store: Store, absolute_error: float) -> None:
    """Let version 1 serve, accepted with an error of 10, and put its errors of the last week into the store."""
    now = datetime.now(UTC)
    put_champion(store, now - timedelta(days=30))
    put_hourly_errors(store, floor_hour(now) - timedelta(days=6), now - timedelta(hours=1), absolute_error)


def test_the_example_of_the_documentation_runs(runner: DagRunner, store: Store, bike_demand: ModelSpec) -> None:
    page = (REPOSITORY / "docs" / "monitoring.md").read_text()
    (example,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "ModelHealthSensor(" in code)
    put_errors(store, absolute_error=9)
    evaluate_checks(store, bike_demand, "error", datetime.now(UTC), "monitor")
    runner.start(store, example)
    result, said = runner.read_result()
    assert result["tasks"] == {"is_healthy": "success", "order_bikes": "success"}
    assert result["run"] == "success"
    assert "x-cyclone://bike_demand/verdicts" in result["schedule"]
    assert "mean_absolute_error   all" in said
    assert "the forecast can be trusted" in said


def test_checks_that_pass_make_the_model_healthy_and_are_recorded_under_a_run_of_their_own(
    runner: DagRunner, store: Store
) -> None:
    put_errors(store, absolute_error=9)
    runner.start(store, CHECKS.format(dag_id="passes"))
    result, _ = runner.read_result()
    assert result["tasks"] == {"check": "success", "is_healthy": "success"}
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT run_id, kind, verdict FROM check_result")
        ((run_id, kind, verdict),) = cursor.fetchall()
    assert run_id.startswith("passes.check.manual__")
    assert (kind, verdict) == ("error", "passed")


def test_a_failed_check_fails_the_task_that_asked_for_that(runner: DagRunner, store: Store) -> None:
    put_errors(store, absolute_error=90)
    runner.start(store, CHECKS.format(dag_id="fails"))
    result, said = runner.read_result()
    assert result["tasks"] == {"check": "failed", "is_healthy": "upstream_failed"}
    assert "bike_demand: mean_absolute_error of all failed" in said


def test_without_a_timeout_an_unhealthy_model_fails_the_task_at_once(runner: DagRunner, store: Store) -> None:
    runner.start(store, CHECKS.format(dag_id="asserts").replace("    check >> is_healthy\n", ""))
    result, said = runner.read_result()
    assert result["tasks"]["is_healthy"] == "failed"
    assert "bike_demand is not healthy: no version of bike_demand serves" in said


def test_the_sensor_waits_deferred_until_a_verdict_passes(
    runner: DagRunner, store: Store, bike_demand: ModelSpec
) -> None:
    put_errors(store, absolute_error=9)
    runner.start(store, WAITS)
    runner.read_until("running trigger in line")
    runner.read_until("is not healthy: no error check has a verdict")
    evaluate_checks(store, bike_demand, "error", datetime.now(UTC), "monitor")
    result, said = runner.read_result()
    assert result["tasks"] == {"is_healthy": "success"}, said
