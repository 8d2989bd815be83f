"""The steps and decisions of the monitor's DAG, on a store of their own and with an Airflow of numbers."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from airflow.sdk import DAG
from airflow.triggers.base import TaskSuccessEvent

from cyclone.checks.verdicts import CheckResult
from cyclone.errors import ConfigurationError
from cyclone.names import name_retraining
from cyclone.policy.incidents import Incident, find_open_incident, join_incident, start_retraining
from cyclone.settings import Settings
from cyclone.store import Store
from cyclone_airflow.monitor_tasks import (
    RUN_FIELDS,
    MonitorRun,
    MonitorStep,
    MonitorStepTrigger,
    close_if_lost,
    read_results,
    read_run,
)
from tests.support.statements import execute, put_champion, put_hourly_errors, put_newest_row
from tests.unit.plugins.stored import fire, read_stored, store_dag, store_trigger

NOW = datetime(2011, 3, 8, tzinfo=UTC)
FIELDS = {
    "run_id": "run",
    "interval_start": "2011-03-07T23:55:00+00:00",
    "interval_end": "2011-03-08T00:00:00+00:00",
    "model_yaml": "",
}
RUN = MonitorRun("bike_demand", **FIELDS)
RESULT = CheckResult("error", "bias", "all", 1, 0.5, None, 9, None, "no_data", NOW, NOW, reason="too few labels")


def test_airflow_keeps_the_trigger_and_makes_it_again() -> None:
    path, arguments, made = store_trigger(MonitorStepTrigger(step="roll_up", model="bike_demand", **FIELDS))
    assert path == "cyclone_airflow.monitor_tasks.MonitorStepTrigger"
    assert arguments == {"step": "roll_up", "model": "bike_demand", **FIELDS}
    assert (type(made), made.serialize()) == (MonitorStepTrigger, (path, arguments))


def test_a_trigger_without_a_field_of_its_run_is_refused() -> None:
    with pytest.raises(KeyError, match="interval_end"):
        MonitorStepTrigger(step="roll_up", model="bike_demand", run_id="run", interval_start="")


@pytest.mark.parametrize(("clock", "starts_from_trigger"), [("wall", True), ("replay", False)])
def test_airflow_keeps_a_step_that_the_triggerer_starts_by_the_wall_clock(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, clock: str, starts_from_trigger: bool
) -> None:
    monkeypatch.setenv("CYCLONE_CLOCK", clock)
    with DAG("monitor") as dag:
        MonitorStep(task_id="check_error", model="bike_demand")
    (task,) = store_dag(dag).tasks
    assert (task.task_type, task.start_from_trigger) == ("MonitorStep", starts_from_trigger)
    assert list(task.template_fields) == list(RUN_FIELDS)
    if starts_from_trigger:
        told = task.start_trigger_args
        assert (told.trigger_cls, told.next_method) == ("cyclone_airflow.monitor_tasks.MonitorStepTrigger", "execute")
        assert read_stored(told.trigger_kwargs) == {"step": "check_error", "model": "bike_demand", **RUN_FIELDS}


def test_a_step_gives_the_same_in_the_triggerer_and_in_a_worker(store: Store, settings: Settings) -> None:
    put_champion(store, NOW - timedelta(days=30))
    put_hourly_errors(store, NOW - timedelta(days=7), NOW - timedelta(hours=1), error=15)
    event = asyncio.run(fire(MonitorStepTrigger(step="check_error", model="bike_demand", **FIELDS)))
    assert isinstance(event, TaskSuccessEvent)
    returned: Any = (event.xcoms or {})["return_value"]
    told = {item["check_name"]: (item["value"], item["limit"], item["verdict"]) for item in returned}
    assert told == {"bias": (0, 12.5, "passed"), "mean_absolute_error": (15, 22.5, "passed")}
    step = MonitorStep(task_id="check_error", model="bike_demand")
    for name, value in FIELDS.items():
        setattr(step, name, value)
    assert step.execute({}) == returned
    assert execute(store, "SELECT run_id, count(*) FROM check_result GROUP BY 1") == [("run", 2)]


def test_a_step_of_a_model_that_is_gone_says_so(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="no_such_model"):
        asyncio.run(fire(MonitorStepTrigger(step="roll_up", model="no_such_model", **FIELDS)))


@pytest.mark.parametrize("interval", [("", ""), ("2011-03-07T00:00:00+00:00", "2011-03-07T00:00:00+00:00")])
def test_a_run_without_an_interval_judges_the_models_present(
    store: Store, settings: Settings, interval: tuple[str, str]
) -> None:
    put_newest_row(store, NOW - timedelta(hours=3))
    assert MonitorRun("bike_demand", "run", *interval).find_end() == NOW - timedelta(hours=3)
    assert RUN.find_end() == NOW


def test_a_configuration_that_is_no_file_is_named(settings: Settings, tmp_path: Path) -> None:
    run = MonitorRun("bike_demand", "run", "", "", model_yaml=str(tmp_path / "missing.yaml"))
    with pytest.raises(ConfigurationError, match=r"missing\.yaml"):
        run.find_spec()


@pytest.mark.parametrize("returned", [[RESULT.to_json()], json.dumps([RESULT.to_json()])])
def test_the_verdicts_of_a_check_are_read_as_airflow_hands_them_on(returned: Any) -> None:
    assert read_results(returned) == [RESULT]


def test_a_check_that_failed_has_no_verdicts_and_what_is_no_verdict_is_refused() -> None:
    assert (read_results(None), read_results("[]")) == ([], [])
    with pytest.raises(KeyError, match="window_start"):
        read_results([{"kind": "error"}])


@pytest.mark.parametrize(("conf", "model_yaml"), [(None, ""), ({}, ""), ({"model_yaml": "/m.yaml"}, "/m.yaml")])
def test_a_run_is_read_from_the_context_of_its_task(conf: dict[str, str] | None, model_yaml: str) -> None:
    context = {"run_id": "manual", "dag_run": SimpleNamespace(conf=conf), "data_interval_end": NOW}
    assert read_run("shop", context) == MonitorRun("shop", "manual", "", "2011-03-08 00:00:00+00:00", model_yaml)


def test_a_replay_names_the_day_of_its_run_in_the_configuration() -> None:
    """Such a run has no logical date, and Airflow gives it no data interval."""
    day = {"interval_start": "2011-03-07T00:00:00+00:00", "interval_end": "2011-03-08T00:00:00+00:00"}
    run = read_run("shop", {"run_id": "replay__2011-03-07", "dag_run": SimpleNamespace(conf=day)})
    assert run.find_end() == NOW
    template = jinja2.Environment(autoescape=False).from_string(RUN_FIELDS["interval_end"])
    assert template.render(dag_run=SimpleNamespace(conf=day)) == day["interval_end"]
    assert template.render(dag_run=SimpleNamespace(conf=day), data_interval_end="of Airflow") == "of Airflow"


def join(store: Store) -> Incident:
    return join_incident(store, "bike_demand", "an alarm", NOW - timedelta(days=1), "the error is high", {})


def close_by(*runs: tuple[str, str]) -> None:
    """Where Airflow has these runs of `retrain__bike_demand`, with their states."""

    def count(dag_id: str, run_ids: list[str], states: tuple[str, ...] = ()) -> int:
        assert dag_id == "retrain__bike_demand"
        return sum(run in run_ids and (not states or state in states) for run, state in runs)

    close_if_lost(RUN, count)


@pytest.mark.parametrize("state", ["queued", "running"])
def test_an_incident_whose_run_goes_on_stays_open(store: Store, settings: Settings, state: str) -> None:
    incident = join(store)
    named = name_retraining("bike_demand", incident.incident_id)
    close_by((named, state))
    start_retraining(store, named, "bike_demand", incident.incident_id, NOW)
    close_by((named, state))
    assert find_open_incident(store, "bike_demand") is not None


def test_an_incident_that_nothing_has_started_to_answer_stays_open(store: Store, settings: Settings) -> None:
    close_by()  # there is none at all
    join(store)
    close_by(("another", "failed"))
    assert find_open_incident(store, "bike_demand") is not None


@pytest.mark.parametrize("has_begun", [False, True])
def test_an_incident_whose_run_failed_is_closed(store: Store, settings: Settings, has_begun: bool) -> None:
    incident = join(store)
    named = name_retraining("bike_demand", incident.incident_id)
    if has_begun:
        start_retraining(store, named, "bike_demand", incident.incident_id, NOW)
    close_by((named, "failed"))
    assert execute(store, "SELECT closed_at, outcome FROM incident") == [(NOW, "failed")]
    reason = f"the Airflow run {named} ended without closing its incident"
    ended = execute(store, "SELECT finished_at, outcome, reason FROM retraining")
    assert ended == ([(NOW, "failed", reason)] if has_begun else [])
