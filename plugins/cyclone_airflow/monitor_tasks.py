"""The tasks of `monitor__<model>`: thin wrappers that turn an Airflow context into calls of the core."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, task
from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TaskSuccessEvent, TriggerEvent

from cyclone.settings import read_settings
from cyclone.spec import CheckKind, ModelSpec, find_model
from cyclone.store import Store

if TYPE_CHECKING:
    from airflow.sdk import Context

    from cyclone.checks import CheckResult

log = logging.getLogger(__name__)
ROLL_UP = "roll_up"
INTERVAL = {
    "run_id": "{{ run_id }}",
    "interval_start": "{{ data_interval_start | default('', true) }}",
    "interval_end": "{{ data_interval_end | default('', true) }}",
}


class MonitorStepTrigger(BaseTrigger):
    """Does one step in a thread of the triggerer, and ends its task with the result."""

    def __init__(self, model: str, step: str, run_id: str, interval_start: str, interval_end: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.step = step
        self.run_id = run_id
        self.interval_start = interval_start
        self.interval_end = interval_end

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("model", "step", *INTERVAL)
        return "cyclone_airflow.monitor_tasks.MonitorStepTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        interval = (self.interval_start, self.interval_end)
        result, text = await asyncio.to_thread(run_step, self.model, self.step, self.run_id, interval)
        self.log.info(text)
        yield TaskSuccessEvent(xcoms={"return_value": result})


class MonitorStep(BaseOperator):
    """`roll_up` or `check_<kind>` of a model, done by the triggerer from the start.

    A worker's process would cost many times what the step does: hundreds of models share one triggerer instead.
    """

    template_fields: Sequence[str] = tuple(INTERVAL)
    start_from_trigger = True

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.run_id, self.interval_start, self.interval_end = INTERVAL.values()
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="cyclone_airflow.monitor_tasks.MonitorStepTrigger",
            trigger_kwargs={"model": model, "step": self.task_id, **INTERVAL},
            next_method="execute",
        )

    def execute(self, context: "Context", event: Any = None) -> Any:
        """The same in a worker: for `airflow tasks test`."""
        result, text = run_step(self.model, self.task_id, self.run_id, (self.interval_start, self.interval_end))
        self.log.info(text)
        return result


def run_step(model: str, step: str, run_id: str, interval: tuple[str, str]) -> tuple[Any, str]:
    """The step's result as JSON, and what it has to say for the task's log."""
    settings = read_settings()
    store, spec = Store(settings.store_dsn), find_model(settings.models_dir, model)
    if step == ROLL_UP:
        from cyclone.rollups import roll_up

        summary = roll_up(store, spec)
        return asdict(summary), str(summary)
    from cyclone.checks import evaluate_checks, format_verdicts

    kind: CheckKind = step.removeprefix("check_")  # type: ignore[assignment]
    results = evaluate_checks(store, spec, kind, read_window_end(store, spec, interval), run_id)
    return [result.to_json() for result in results], f"{kind} checks of {model}:\n{format_verdicts(results)}"


@task.short_circuit
def decide(model: str, verdicts: list[list[dict[str, Any]]], **context: Any) -> str | None:
    """Join or open an incident when a retraining pays: returns the retraining's run id, else skips the rest.

    All verdicts of the run are in the log, and their counts in the event of the model's asset.
    """
    from cyclone.checks import CheckResult, format_verdicts
    from cyclone_airflow.health import count_verdicts, verdicts_asset

    settings = read_settings()
    store, spec = Store(settings.store_dsn), find_model(settings.models_dir, model)
    interval = (str(context.get("data_interval_start") or ""), str(context.get("data_interval_end") or ""))
    window_end = read_window_end(store, spec, interval)
    results = [CheckResult.from_json(item) for group in verdicts for item in group]
    log.info("verdicts of %s:\n%s", model, format_verdicts(results))
    context["outlet_events"][verdicts_asset(model)].extra = {
        **count_verdicts(results),
        "window_end": window_end.isoformat(),
        "run_id": context["run_id"],
    }
    is_backfill = context["dag_run"].run_type == "backfill"
    return join_if_due(store, spec, results, window_end, context["run_id"], is_backfill)


def join_if_due(
    store: Store, spec: ModelSpec, results: "list[CheckResult]", at: datetime, run_id: str, is_backfill: bool
) -> str | None:
    """The run id of the retraining that is due, after its incident was joined; None when none is."""
    from cyclone.decisions import decide as decide_on
    from cyclone.incidents import join_incident, last_retraining_end, retraining_run_id

    decision = decide_on(spec, results, last_retraining_end(store, spec.name, at), at)
    log.info("%s", decision.reason)
    if not decision.should_retrain:
        return None
    if is_backfill:
        log.info("This is a backfill: verdicts are recorded, no retraining is started.")
        return None
    incident = join_incident(
        store,
        spec.name,
        source=run_id,
        at=at,
        reason=decision.reason,
        detail={"failed": [result.to_json() for result in results if result.verdict == "failed"]},
    )
    log.info("Incident %s is %s", incident.incident_id, "new" if incident.is_new else "already open")
    return retraining_run_id(spec.name, incident.incident_id)


def read_window_end(store: Store, spec: ModelSpec, interval: tuple[str, str]) -> datetime:
    """The end of the run's data interval; for a run triggered without one, the model's present."""
    start, end = interval
    if end and end != start:
        return datetime.fromisoformat(end)
    from cyclone.clock import read_now

    return read_now(store, read_settings(), spec.name)
