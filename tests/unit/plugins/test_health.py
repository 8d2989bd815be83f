"""The parts for a user's own DAGs, on a store of their own."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from airflow.triggers.base import TriggerEvent

from cyclone.checks.evaluation import evaluate_checks
from cyclone.errors import ConfigurationError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone_airflow.health import (
    ModelChecksOperator,
    ModelHealthSensor,
    ModelHealthTrigger,
    holds_asset,
    verdicts_asset,
)
from tests.support.statements import execute, put_champion, put_hourly_errors, put_newest_row
from tests.unit.plugins.stored import fire, store_dag, store_trigger

NOW = datetime(2011, 3, 8, tzinfo=UTC)
AGE = timedelta(days=1)
TRIGGER = {"model": "bike_demand", "kinds": ["error"], "max_age_seconds": 86400.0, "poll_seconds": 0.05}
UNHEALTHY = "bike_demand is not healthy: no error check has a verdict"


@pytest.fixture
def champion(store: Store, settings: Settings) -> Store:
    """Version 1, accepted with an error of 10, served for a week. The newest row is the present of a replay."""
    put_champion(store, NOW - timedelta(days=30))
    put_newest_row(store, NOW)
    return store


def judge(store: Store, spec: ModelSpec, error: float) -> None:
    put_hourly_errors(store, NOW - timedelta(days=7), NOW - timedelta(hours=1), error)
    evaluate_checks(store, spec, "error", NOW, "monitor")


def sense(**options: Any) -> ModelHealthSensor:
    return ModelHealthSensor(task_id="healthy", model="bike_demand", kinds=["error"], max_age=AGE, **options)


def test_airflow_keeps_the_trigger_and_makes_it_again() -> None:
    path, arguments, made = store_trigger(ModelHealthTrigger(**TRIGGER))  # type: ignore[arg-type]
    assert (path, arguments) == ("cyclone_airflow.health.ModelHealthTrigger", TRIGGER)
    assert (type(made), made.serialize()) == (ModelHealthTrigger, (path, arguments))


def test_airflow_keeps_the_sensor_and_the_operator() -> None:
    with DAG("mine") as dag:
        ModelChecksOperator(task_id="check", model="{{ var.value.model }}") >> sense()
    stored = {task.task_id: (task.task_type, list(task.template_fields)) for task in store_dag(dag).tasks}
    assert stored == {"check": ("ModelChecksOperator", ["model"]), "healthy": ("ModelHealthSensor", ["model"])}


def test_assets_are_called_by_the_model_and_are_two() -> None:
    assets = [(asset.name, asset.uri) for asset in (verdicts_asset("shop"), holds_asset("shop"))]
    assert assets == [
        ("verdicts of shop", "x-cyclone://shop/verdicts"),
        ("holds of shop", "x-cyclone://shop/holds"),
    ]


@pytest.mark.parametrize("kinds", [["errors"], []])
@pytest.mark.parametrize("kind_of_task", [ModelHealthSensor, ModelChecksOperator])
def test_kinds_that_are_none_are_refused_when_the_dag_is_read(kind_of_task: Any, kinds: list[str]) -> None:
    allowed = "one or more of drift, error, estimate, service are allowed"
    with pytest.raises(ConfigurationError) as refused:
        kind_of_task(task_id="mine", model="bike_demand", kinds=kinds)
    assert str(refused.value) == f"kinds {kinds}: {allowed}"


def test_the_trigger_polls_until_the_verdicts_are_healthy(champion: Store, bike_demand: ModelSpec) -> None:
    async def wait() -> TriggerEvent:
        waiting = asyncio.create_task(fire(ModelHealthTrigger(**TRIGGER)))  # type: ignore[arg-type]
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert done == set(), "nothing was judged yet"
        judge(champion, bike_demand, error=9)
        return await asyncio.wait_for(waiting, timeout=60)

    assert asyncio.run(wait()).payload == {"reason": "all 2 verdicts passed"}


def test_a_trigger_of_a_model_that_is_gone_says_so(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="no_such_model"):
        asyncio.run(fire(ModelHealthTrigger(**{**TRIGGER, "model": "no_such_model"})))  # type: ignore[arg-type]


def test_a_healthy_model_ends_the_sensor_at_once(champion: Store, bike_demand: ModelSpec) -> None:
    judge(champion, bike_demand, error=9)
    assert sense().execute({}) == "all 2 verdicts passed"
    assert sense().poke({}) is True


def test_the_sensor_defers_to_its_trigger_and_ends_with_its_reason(champion: Store) -> None:
    assert sense().poke({}) is False
    with pytest.raises(TaskDeferred) as deferred:
        sense(poke_interval=0.05, timeout=60).execute({})
    assert deferred.value.trigger.serialize() == ("cyclone_airflow.health.ModelHealthTrigger", TRIGGER)
    assert (deferred.value.method_name, deferred.value.timeout) == ("conclude", timedelta(seconds=60))
    assert sense().conclude({}, {"reason": "all 2 verdicts passed"}) == "all 2 verdicts passed"


def test_a_sensor_without_a_timeout_asserts(champion: Store) -> None:
    with pytest.raises(AirflowFailException) as failure:
        sense(timeout=0).execute({})
    assert str(failure.value) == UNHEALTHY


@pytest.mark.parametrize("fails", [False, True])
def test_checks_that_failed_fail_the_operator_only_where_it_is_to(champion: Store, fails: bool) -> None:
    put_hourly_errors(champion, NOW - timedelta(days=7), NOW - timedelta(hours=1), error=30)
    with DAG("mine") as dag:
        check = ModelChecksOperator(task_id="check", model="bike_demand", kinds=["error"], fail_on_failed=fails)
    context: Any = {"dag": dag, "run_id": "today"}
    if fails:
        with pytest.raises(AirflowFailException, match=r"^bike_demand: mean_absolute_error of all failed$"):
            check.execute(context)
    else:
        told = {item["check_name"]: (item["value"], item["verdict"]) for item in check.execute(context)}
        assert told == {"bias": (0, "passed"), "mean_absolute_error": (30, "failed")}
    assert execute(champion, "SELECT DISTINCT run_id FROM check_result") == [("mine.check.today",)]
