"""The first and the last task of a retraining, on a store of their own and with a context of values."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.api.datamodels._generated import DagRun
from airflow.sdk.exceptions import AirflowFailException

from cyclone.names import name_retraining
from cyclone.policy.incidents import find_open_incident, join_incident, start_retraining
from cyclone.settings import Settings
from cyclone.store import Store
from cyclone_airflow.retrain_tasks import _measure_wait, close, keep_failure, start
from tests.support.statements import execute, put_newest_row

NOW = datetime(2011, 3, 8, tzinfo=UTC)
MODEL = "bike_demand"


@pytest.fixture
def incident_id(store: Store, settings: Settings) -> int:
    """An open incident. The newest row is the present of a replay."""
    put_newest_row(store, NOW)
    return join_incident(store, MODEL, "an alarm", NOW - timedelta(days=1), "the error is high", {}).incident_id


def begin(
    run_id: str, run_type: str = "manual", by: str = "ada", conf: dict[str, Any] | None = None, **params: Any
) -> Any:
    triggered = {"run_after": datetime.now(UTC), "clear_number": 0, "triggering_user_name": by, "conf": conf}
    dag_run = SimpleNamespace(run_id=run_id, run_type=run_type, **triggered)
    return start.function(MODEL, run_id=run_id, dag_run=dag_run, params={"because": "", "despite": [], **params})


def end(run_id: str, started: dict[str, Any] | None, **states: str) -> str:
    def get_task_states(dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        assert dag_id == "retrain__bike_demand"
        return dict.fromkeys(run_ids, states)

    instance = SimpleNamespace(dag_id="retrain__bike_demand", run_id=run_id, get_task_states=get_task_states)
    return str(close.function(MODEL, started, run_id=run_id, ti=instance))


def test_the_run_that_the_monitor_named_answers_its_incident_and_may_begin_again(
    store: Store, incident_id: int
) -> None:
    named = name_retraining(MODEL, incident_id)
    started = {"incident_id": incident_id, "as_of": NOW.isoformat()}
    assert (begin(named, "scheduled"), begin(named, "scheduled")) == (started, started)
    assert execute(store, "SELECT run_id, incident_id, started_at FROM retraining") == [(named, incident_id, NOW)]


def test_a_person_whose_incident_another_run_answers_has_nothing_to_do(store: Store, incident_id: int) -> None:
    start_retraining(store, name_retraining(MODEL, incident_id), MODEL, incident_id, NOW)
    assert begin("manual__2011") is None
    assert execute(store, "SELECT asked_by FROM decision WHERE run_id = 'manual__2011'") == [("ada",)]


@pytest.mark.parametrize(
    ("by", "conf", "told"),
    [
        ("Anonymous", {"asked_by": "ada"}, "ada"),
        ("Anonymous", None, "Anonymous"),
        ("bert", {"asked_by": "ada"}, "bert"),  # who has logged in cannot pass for another
    ],
)
def test_a_command_names_its_user_where_airflow_knows_nobody(
    store: Store, settings: Settings, by: str, conf: dict[str, Any] | None, told: str
) -> None:
    put_newest_row(store, NOW)
    begin("first_release", by=by, conf=conf)
    assert execute(store, "SELECT asked_by FROM decision WHERE run_id = 'first_release'") == [(told,)]


@pytest.mark.parametrize(
    ("run_type", "params", "reason"),
    [
        ("manual", {"despite": ["weather"]}, "despite 'weather' must be one of "),
        ("manual", {"despite": ["budget"]}, "despite budget needs a because: "),
        ("asset_triggered", {"despite": ["budget"], "because": "so"}, "mine: only a person may ask despite budget"),
    ],
)
def test_a_request_that_cannot_be_is_refused_before_anything_begins(
    store: Store, settings: Settings, run_type: str, params: dict[str, Any], reason: str
) -> None:
    with pytest.raises(AirflowFailException) as refused:
        begin("mine", run_type, **params)
    assert str(refused.value)[: len(reason)] == reason
    assert execute(store, "SELECT count(*) FROM retraining") == [(0,)]


@pytest.mark.parametrize(
    ("states", "outcome", "reason"),
    [
        ({"gate": "success", "register": "skipped"}, "kept_champion", "the gate kept the champion"),
        ({"train": "failed", "gate": "upstream_failed"}, "failed", "task train failed"),
        ({"gate": "upstream_failed"}, "failed", "task gate failed"),
    ],
)
def test_a_retraining_ends_as_its_tasks_did(
    store: Store, incident_id: int, states: dict[str, str], outcome: str, reason: str
) -> None:
    named = name_retraining(MODEL, incident_id)
    started = begin(named)
    if outcome == "failed":
        with pytest.raises(AirflowFailException, match=rf"^{reason}\. The version that served before still serves$"):
            end(named, started, **states)
    else:
        assert end(named, started, **states) == outcome
    assert execute(store, "SELECT outcome, reason FROM retraining") == [(outcome, reason)]
    assert execute(store, "SELECT outcome FROM incident") == [(outcome,)]


def test_a_retraining_that_did_not_start_closes_nothing(store: Store, incident_id: int) -> None:
    with pytest.raises(AirflowFailException, match=r"^mine did not start\. Its task `start` says why in its log$"):
        end("mine", None)
    assert find_open_incident(store, MODEL) is not None


@pytest.mark.parametrize(
    ("exception", "reason"), [(ValueError("no rows"), "train: no rows"), (None, "train: no error was given")]
)
def test_the_error_of_a_task_is_kept_as_the_reason(
    store: Store, incident_id: int, exception: Exception | None, reason: str
) -> None:
    named = name_retraining(MODEL, incident_id)
    started = begin(named)
    context: Any = {"ti": SimpleNamespace(task_id="train"), "run_id": named, "exception": exception}
    keep_failure(MODEL, context)
    with pytest.raises(AirflowFailException, match=rf"^{reason}\. The version that served before still serves$"):
        end(named, started, train="failed")


@pytest.mark.parametrize(("clear_number", "least", "most"), [(0, 60, 90), (1, 0, 0)])
def test_a_run_has_waited_since_its_trigger_unless_somebody_cleared_it(
    clear_number: int, least: float, most: float
) -> None:
    triggered_at = datetime.now(UTC) - timedelta(seconds=60)
    run = DagRun.model_validate(
        {
            "dag_id": "retrain__m",
            "run_id": "manual__1",
            "logical_date": None,
            "data_interval_start": None,
            "data_interval_end": None,
            "run_after": triggered_at,
            "start_date": datetime.now(UTC),
            "end_date": None,
            "clear_number": clear_number,
            "run_type": "manual",
            "state": "running",
            "consumed_asset_events": [],
            "partition_key": None,
        }
    )
    assert least <= _measure_wait(run) <= most
