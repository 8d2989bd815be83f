"""The tasks of `monitor__<model>`. Each turns an Airflow context into calls of the core."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, task
from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TaskSuccessEvent, TriggerEvent

from cyclone.sections import CheckKind
from cyclone.settings import read_settings
from cyclone.spec import ModelSpec, find_changed_spec, find_model
from cyclone.store import Store

if TYPE_CHECKING:
    from airflow.sdk import Context

    from cyclone.checks.verdicts import CheckResult
    from cyclone.policy.incidents import Outcome

log = logging.getLogger(__name__)
RUN_FIELDS = {
    "run_id": "{{ run_id }}",
    "interval_start": "{{ data_interval_start | default((dag_run.conf or {}).get('interval_start', ''), true) }}",
    "interval_end": "{{ data_interval_end | default((dag_run.conf or {}).get('interval_end', ''), true) }}",
    "model_yaml": "{{ (dag_run.conf or {}).get('model_yaml', '') }}",
}
"""The facts of a run that a step needs, as templates that Airflow fills in.

A replay names its day in the configuration of the run. Such a run has no logical date, and so no data interval.
"""


@dataclass(frozen=True)
class MonitorRun:
    """One run of `monitor__<model>`.

    With a `model_yaml` the run uses that configuration. It shows what would be decided, and records nothing.
    """

    model: str
    run_id: str
    interval_start: str
    interval_end: str
    model_yaml: str = ""

    @property
    def store(self) -> Store:
        return Store(read_settings().store_dsn)

    def find_spec(self) -> ModelSpec:
        models_dir = read_settings().models_dir
        if self.model_yaml:
            return find_changed_spec(models_dir, self.model, Path(self.model_yaml))
        return find_model(models_dir, self.model)

    def find_end(self) -> datetime:
        """The end of the data interval. For a run that was triggered without one, it is the model's present."""
        if self.interval_end and self.interval_end != self.interval_start:
            return datetime.fromisoformat(self.interval_end)
        from cyclone.clock import read_now

        return read_now(self.store, read_settings(), self.model)


class MonitorStepTrigger(BaseTrigger):
    """Runs one step in a thread of the triggerer, and ends the task with its result."""

    def __init__(self, step: str, model: str, **run_fields: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.step = step
        self.model = model
        for name in RUN_FIELDS:  # attributes, as Airflow fills in their templates
            setattr(self, name, run_fields[name])

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.MonitorStepTrigger", {"step": self.step, **self._describe_run()}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        result, text = await asyncio.to_thread(run_step, self.step, MonitorRun(**self._describe_run()))
        # Logged from a thread: the reader of the log may itself wait for the triggerer's loop, and both would hang.
        await asyncio.to_thread(self.log.info, text)
        yield TaskSuccessEvent(xcoms={"return_value": result})

    def _describe_run(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ("model", *RUN_FIELDS)}


class MonitorStep(BaseOperator):
    """One step of the monitor, done by the triggerer from the start: `roll_up`, `reevaluate`, `compare`
    or `check_<kind>`.

    A worker's process would cost many times what the step does. Instead, hundreds of models share one triggerer. The
    triggerer looks for work only once a second. A replay waits for each run, so there a worker does the step.
    """

    template_fields: Sequence[str] = tuple(RUN_FIELDS)

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        for name, template in RUN_FIELDS.items():
            setattr(self, name, template)
        self.start_from_trigger = read_settings().clock == "wall"
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=f"{__name__}.MonitorStepTrigger",
            trigger_kwargs={"step": self.task_id, "model": model, **RUN_FIELDS},
            next_method="execute",
        )

    def execute(self, context: "Context", event: Any = None) -> Any:
        """Do the step in a worker, as a replay does."""
        run = MonitorRun(**{name: getattr(self, name) for name in ("model", *RUN_FIELDS)})
        result, text = run_step(self.task_id, run)
        self.log.info(text)
        return result


def run_step(step: str, run: MonitorRun) -> tuple[Any, str]:
    """Do one step of a run. Return its result, which can be written as JSON, and a text for the task's log."""
    from cyclone.checks.evaluation import evaluate_checks
    from cyclone.checks.rollups import roll_up
    from cyclone.checks.verdict_table import format_verdicts
    from cyclone.partitions import make_ahead
    from cyclone.policy.what_if import judge_unrecorded

    store, spec = run.store, run.find_spec()
    if step == "roll_up":
        if problem := make_ahead(store):
            log.warning("%s", problem)
        summary = roll_up(store, spec)
        return asdict(summary), str(summary)
    if step == "reevaluate":
        return _reevaluate(run)
    if step == "compare":
        return _compare(run)
    kind: CheckKind = step.removeprefix("check_")  # type: ignore[assignment]
    end = run.find_end()
    with store.connected() as kept:
        if run.model_yaml:
            results = judge_unrecorded(kept, spec, kind, end)
        else:
            results = evaluate_checks(kept, spec, kind, end, run.run_id)
    return [result.to_json() for result in results], f"{kind} checks of {spec.name}:\n{format_verdicts(results)}"


def _compare(run: MonitorRun) -> tuple[Any, str]:
    from releasing.comparison import compare

    # Airflow names the runs of a backfill so. What serves now says nothing of the past.
    if run.model_yaml or run.run_id.startswith("backfill__"):
        return [], "nothing is compared: this run is a backfill, or has a configuration of its own"
    found = compare(read_settings(), run.find_spec(), run.run_id, run.find_end())
    text = "\n".join(map(str, found)) or "traffic, tags, aliases and the release record agree"
    return [asdict(item) for item in found], text


def _reevaluate(run: MonitorRun) -> tuple[Any, str]:
    from cyclone.checks.reevaluation import reevaluate
    from cyclone.checks.verdict_table import format_verdicts

    if run.model_yaml:
        return [], "nothing is evaluated again, because this run has a configuration of its own and records nothing"
    changed = reevaluate(run.store, run.find_spec(), run.find_end(), run.run_id)
    text = (
        f"verdicts that changed:\n{format_verdicts(changed)}" if changed else "no verdict of an earlier window changed"
    )
    return [result.to_json() for result in changed], text


@task.branch(task_id="decide", trigger_rule="all_done_min_one_success")
def decide_task(model: str, verdicts: list[Any], **context: Any) -> list[str]:
    """Ask the policy what is due, and return the tasks that go on.

    `request_retraining` goes on when a retraining is due, `tell_person` when a person must look, and `recalibrate` when
    a calibration is due. `answer_alerts` goes on when an alert asks for something else than a retraining.
    `send_messages` goes on when people are to be told of something, and `score_refit` when the labels of all days are
    known on which a refit is to be scored.
    The log has all verdicts of the run. The event of the model's asset has their counts. A kind of checks that broke
    has no verdicts here. The other kinds decide without it.
    """
    from cyclone.checks.verdict_table import format_verdicts
    from cyclone.policy.holds import list_holds
    from cyclone_airflow.health import count_verdicts, verdicts_asset

    run = read_run(model, context)
    results = [result for group in verdicts for result in read_results(group)]
    log.info("verdicts of %s:\n%s", model, format_verdicts(results))
    is_backfill = context["dag_run"].run_type == "backfill"
    is_live = not is_backfill and not run.model_yaml
    context["outlet_events"][verdicts_asset(model)].extra = {
        **count_verdicts(results),
        "window_end": run.find_end().isoformat(),
        "run_id": run.run_id,
        "is_live": is_live,
    }
    if is_live:
        close_if_lost(run, context["ti"].get_dr_count)
    has_alerts = is_live and _weigh_alerts(run)
    retraining = join_if_due(run, results, is_backfill)
    context["ti"].xcom_push(key="retraining", value=retraining)
    is_untold = not is_backfill and any(hold.told_at is None for hold in list_holds(run.store, model))
    due = {
        "request_retraining": retraining,
        "tell_person": is_untold,
        "answer_alerts": has_alerts,
        "send_messages": is_live and _note_messages(run),
        # Not beside an alert, which may be about to roll back what would be corrected.
        "recalibrate": is_live and not has_alerts and _should_correct(run),
        "score_refit": is_live and _should_score(run),
    }
    return [name for name, is_due in due.items() if is_due]


@task
def tell_person(model: str, **context: Any) -> list[dict[str, str]]:
    """Tell of each new hold once, with what to do next: a warning in the log, and an event of the asset of holds."""
    from datetime import UTC

    from cyclone.policy.holds import list_holds, note_told
    from cyclone_airflow.health import holds_asset

    store = Store(read_settings().store_dsn)
    untold = [hold for hold in list_holds(store, model) if hold.told_at is None]
    told = [{"cause": hold.cause, "reason": hold.reason, "what_to_do": hold.describe_remedy(model)} for hold in untold]
    context["outlet_events"][holds_asset(model)].extra = {"model": model, "holds": told}
    for hold in untold:
        log.warning("%s is held: %s\nWhat to do: %s", model, hold.reason, hold.describe_remedy(model))
        note_told(store, hold, datetime.now(UTC))
    return told


def _weigh_alerts(run: MonitorRun) -> bool:
    """Answer the alerts that ask for a retraining and wait. Tell whether others wait for another action."""
    from cyclone.alerts.records import weigh_waiting

    return bool(weigh_waiting(run.store, run.find_spec(), run.find_end()))


def _should_score(run: MonitorRun) -> bool:
    from cyclone.policy.refit_scores import find_due_stretch

    return find_due_stretch(run.store, run.find_spec(), run.find_end()) is not None


def _note_messages(run: MonitorRun) -> bool:
    """Note what people are to be told of. True when something waits, or when the task is to say what is wrong."""
    from cyclone.errors import ConfigurationError
    from cyclone.messages.outbox import note_messages
    from cyclone.messages.routes import read_routes

    try:
        routes = read_routes(read_settings().messages_file)
    except ConfigurationError:
        return True  # `send_messages` fails with it, and stops no decision
    return bool(routes) and bool(note_messages(run.store, run.model, run.find_end()))


def _should_correct(run: MonitorRun) -> bool:
    from cyclone.calibration.looks import is_recalibration_due

    return is_recalibration_due(run.store, run.find_spec(), run.find_end())


def read_results(returned: Any) -> "list[CheckResult]":
    """The check results that a task returned. A task that failed returned None, which gives no results.

    A trigger's result arrives as JSON text (seen in Airflow 3.3.2), a worker's as a list.
    """
    from cyclone.checks.verdicts import CheckResult

    items = json.loads(returned) if isinstance(returned, str) else returned or ()
    return [CheckResult.from_json(item) for item in items]


def close_if_lost(run: MonitorRun, count_dag_runs: Callable[..., int]) -> None:
    """Close the open incident if its retraining has ended without closing it, so that the next alarm is answered.

    That is so when its Airflow run is not there any more, was marked failed before the task `close`, or failed before
    it had begun. A run that was cleared, and ended so again, is finished as well.
    """
    from cyclone.names import name_dag, name_retraining
    from cyclone.policy import incidents

    for cleared in incidents.list_unfinished_retrainings(run.store, run.model):
        if not count_dag_runs(name_dag("retrain", run.model), run_ids=[cleared], states=["queued", "running"]):
            ended = incidents.finish_lost_retraining(run.store, run.model, cleared, run.find_end())
            log.warning("Retraining %s is finished as %s: %s", cleared, *ended)
    incident = incidents.find_open_incident(run.store, run.model)
    if incident is None:
        return
    begun = incidents.find_retraining(run.store, incident.incident_id)
    retraining = begun or name_retraining(run.model, incident.incident_id)
    dag_id = name_dag("retrain", run.model)
    if count_dag_runs(dag_id, run_ids=[retraining], states=["queued", "running"]):
        return
    if not begun and not count_dag_runs(dag_id, run_ids=[retraining]):
        return  # nothing has started it yet
    at = max(run.find_end(), incident.opened_at)
    outcome: Outcome = "failed"
    reason = f"the Airflow run {retraining} failed before it had begun"
    if begun:
        outcome, reason = incidents.finish_lost_retraining(run.store, run.model, retraining, at)
    if incidents.close_incident(run.store, incident.incident_id, at, outcome):
        log.warning("Incident %s is closed as %s: %s", incident.incident_id, outcome, reason)


def join_if_due(run: MonitorRun, results: "list[CheckResult]", is_backfill: bool) -> str | None:
    """The run id of the retraining that is due, after joining its incident. None when no retraining is due."""
    from cyclone.policy.deciding import Alarm, carry_out, find_due_run, weigh

    store, spec, alarm = run.store, run.find_spec(), Alarm(run.run_id, results)
    evidence, decision = weigh(store, spec, alarm, run.find_end())
    told = "would retrain: " if run.model_yaml and decision.should_retrain else ""
    log.log(logging.WARNING if decision.needs_person else logging.INFO, "%s%s", told, decision.reason)
    if is_backfill or run.model_yaml:
        log.info("A backfill starts and holds nothing, and neither does a run with a configuration of its own.")
        return None
    incident = carry_out(store, spec, alarm, evidence, decision)
    if incident is not None:
        log.info("Incident %s is %s", incident.incident_id, "new" if incident.is_new else "already open")
    return find_due_run(store, spec, decision, incident)


def read_run(model: str, context: Mapping[str, Any]) -> MonitorRun:
    """The monitor run whose task a worker executes, from the task's context."""
    conf = context["dag_run"].conf or {}
    return MonitorRun(
        model=model,
        run_id=context["run_id"],
        interval_start=str(context.get("data_interval_start") or conf.get("interval_start", "")),
        interval_end=str(context.get("data_interval_end") or conf.get("interval_end", "")),
        model_yaml=conf.get("model_yaml", ""),
    )
