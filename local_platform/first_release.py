"""The first version of a model: Airflow's retrain DAG trains and releases it, and its steps are followed."""

import getpass
import time
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

from cyclone.errors import PlatformError
from cyclone.names import ASKED_BY_KEY, DagKind, name_dag
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.airflow_client import FINAL_STATES, AirflowClient
from training.data.history import bring_history

FIRST_RUN_ID = "first_release"
"""The id of the Airflow run that makes a first version. If it fails, the next ones are called `first_release_2` …"""
DAG_DEADLINE_SECONDS = 240
"""How long Airflow may take to know the DAGs. A slow machine takes minutes."""
RELEASE_DEADLINE_SECONDS = 600
"""How long the run may show no change of a step before it is given up. The value is a choice."""
POLL_SECONDS = 0.3
"""The pause between two looks at the steps. A person watches them, so it is short."""
KINDS: tuple[DagKind, ...] = ("monitor", "retrain")


class Step(NamedTuple):
    """A task of the retrain DAG that has ended, with the seconds that it took."""

    name: str
    state: str
    seconds: float


OnStep = Callable[[Step], None]


def is_first_run(run_id: str | None) -> bool:
    """Whether an Airflow run made a first version, and was started by no monitor."""
    return run_id is not None and run_id.startswith(FIRST_RUN_ID)


def release_first_version(
    settings: Settings, spec: ModelSpec, airflow: AirflowClient, on_step: OnStep = lambda step: None
) -> None:
    """Have Airflow train and release a first version, and return once it serves. A run that is under way is followed.

    Errors: `PlatformError` with the step that failed, and why. Errors of `read_history`, before anything is started.
    """
    bring_history(settings, spec)  # in a replay, the newest row of the history is the present of this training
    for kind in KINDS:
        airflow.wait_until_dag_known(name_dag(kind, spec.name), DAG_DEADLINE_SECONDS)
    dag_id = name_dag("retrain", spec.name)
    run_id = _find_run_id(airflow, dag_id)
    airflow.trigger_dag_run(dag_id, run_id, conf={ASKED_BY_KEY: getpass.getuser()})
    state = _follow(airflow, dag_id, run_id, on_step)
    failed = [step for step in _list_ended(airflow, dag_id, run_id) if step.state == "failed"]
    if failed or state != "success":
        name = failed[0].name if failed else dag_id
        why = _find_reason(Store(settings.store_dsn), spec.name, run_id) or "the task's log in Airflow says why"
        raise PlatformError(
            f"the first version of {spec.name} was not released: {name} failed. {why}. Mend that, and run"
            f" `cyclone train {spec.name}` again"
        )


def _find_run_id(airflow: AirflowClient, dag_id: str) -> str:
    """The id of the run that is under way, or else the first one that is free."""
    for number in count(1):
        run_id = FIRST_RUN_ID if number == 1 else f"{FIRST_RUN_ID}_{number}"
        run = airflow.find_dag_run(dag_id, run_id)
        if run is None or run["state"] not in FINAL_STATES:
            return run_id
    raise AssertionError("count has no end")


def _follow(airflow: AirflowClient, dag_id: str, run_id: str, on_step: OnStep) -> str:
    """Tell of each step as it ends, and return the state of the run that has ended.

    Errors: `PlatformError` when nothing changes for `RELEASE_DEADLINE_SECONDS`.
    """
    told: set[str] = set()
    changed_at = time.monotonic()
    while True:
        run = airflow.get_dag_run(dag_id, run_id)
        for step in _list_ended(airflow, dag_id, run_id):
            if step.name not in told:
                told.add(step.name)
                changed_at = time.monotonic()
                on_step(step)
        if run["state"] in FINAL_STATES:
            return str(run["state"])
        if time.monotonic() > changed_at + RELEASE_DEADLINE_SECONDS:
            raise PlatformError(
                f"no step of {dag_id}, run {run_id}, has ended for {RELEASE_DEADLINE_SECONDS} s. Look at it in Airflow"
            )
        time.sleep(POLL_SECONDS)


def _list_ended(airflow: AirflowClient, dag_id: str, run_id: str) -> list[Step]:
    """The steps that did something and have ended, in the order of their ends."""
    tasks: list[dict[str, Any]] = airflow.list_task_instances(dag_id, run_id)
    ended = [task for task in tasks if task["state"] in FINAL_STATES and task["end_date"]]
    return [
        Step(task["task_id"], task["state"], task["duration"] or 0.0)
        for task in sorted(ended, key=lambda each: str(each["end_date"]))
    ]


def _find_reason(store: Store, model: str, run_id: str) -> str | None:
    """Why a run did not release, by its retraining, or by the decision that held it."""
    retraining = store.fetch_one("lineage/retraining", model=model, run_id=run_id, incident_id=None)
    decision = store.fetch_one("policy/decision_of_run", model=model, run_id=run_id)
    reason = (retraining or {}).get("reason") or (decision or {}).get("reason")
    return str(reason).rstrip(".") if reason else None
