"""The canary's trigger and operator, on a store of their own."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import TriggerEvent

from cyclone.errors import ConfigurationError
from cyclone.settings import Settings
from cyclone.store import Store
from cyclone_airflow.canary import PROMOTE, CanaryOperator, CanaryTrigger
from tests.support.statements import execute, put_champion
from tests.unit.plugins.stored import fire, store_dag, store_trigger

NOW = datetime(2011, 3, 8, tzinfo=UTC)
RUN = "retrain__bike_demand__incident_2"


def conclude(event: dict[str, Any]) -> str:
    return CanaryOperator(task_id="canary", model="bike_demand").conclude({"run_id": RUN}, event)


def test_airflow_keeps_the_trigger_and_makes_it_again() -> None:
    path, arguments, made = store_trigger(CanaryTrigger(model="bike_demand", retraining=RUN))
    assert path == "cyclone_airflow.canary.CanaryTrigger"
    assert arguments == {"model": "bike_demand", "retraining": RUN, "is_asked": False}
    assert (type(made), made.serialize()) == (CanaryTrigger, (path, arguments))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"model": "bike_demand"}, "missing 1 required positional argument: 'retraining'"),
        ({"model": "bike_demand", "retraining": RUN, "at": 1}, "unexpected keyword argument 'at'"),
    ],
)
def test_a_trigger_takes_nothing_but_its_arguments(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        CanaryTrigger(**arguments)


def test_airflow_keeps_the_operator_with_its_question() -> None:
    with DAG("retrain") as dag:
        asked = CanaryOperator(task_id="canary", model="bike_demand")
    (task,) = store_dag(dag).tasks
    assert (task.task_id, task.task_type) == ("canary", "CanaryOperator")
    assert asked.options == [PROMOTE, "Roll back"]
    assert asked.subject == "The canary of bike_demand is under way. Promote it now, or roll it back?"


def test_the_trigger_waits_for_a_candidate_and_fires_when_the_canary_is_over(store: Store, settings: Settings) -> None:
    async def wait() -> TriggerEvent:
        waiting = asyncio.create_task(fire(CanaryTrigger(model="bike_demand", retraining="first")))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert done == set(), "no candidate is there to judge"
        put_champion(store, NOW)
        return await asyncio.wait_for(waiting, timeout=60)

    event = asyncio.run(wait())
    assert event.payload == {"is_passed": True, "reason": "it is the champion already"}


def test_a_trigger_of_a_model_that_is_gone_says_so(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="no_such_model"):
        asyncio.run(fire(CanaryTrigger(model="no_such_model", retraining=RUN)))


def test_a_canary_that_passed_ends_its_task_and_one_that_failed_fails_it() -> None:
    assert conclude({"is_passed": True, "reason": "went through 2 steps"}) == "went through 2 steps"
    with pytest.raises(AirflowFailException) as failure:
        conclude({"is_passed": False, "reason": "its answers take twice as long"})
    assert str(failure.value) == f"The canary of {RUN} failed: its answers take twice as long"


@pytest.mark.parametrize(("user", "name"), [({"id": "1", "name": "ada"}, "ada"), (None, "somebody")])
def test_a_person_who_promotes_ends_the_step_under_way(
    store: Store, settings: Settings, user: dict[str, str] | None, name: str
) -> None:
    put_champion(store, NOW)
    execute(
        store,
        "INSERT INTO release (release_id, model, version, revision, image, image_digest, run_id, state,"
        " traffic_percent, created_at) VALUES (7, 'bike_demand', 2, 'v2', 'i', 'd', %(run)s, 'candidate', 10, %(at)s)",
        run=RUN,
        at=NOW,
    )
    store.run("release/canary_step_start", release_id=7, step_number=1, traffic_percent=10)
    assert conclude({"chosen_options": [PROMOTE], "responded_by_user": user}) == f"by hand in Airflow ({name})"
    assert execute(store, "SELECT verdict, goes_on, detail->>'reason' FROM release_step") == [
        ("inconclusive", True, f"by hand in Airflow ({name})")
    ]
