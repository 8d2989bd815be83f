"""The tasks of `monitor__<model>`: thin wrappers that turn an Airflow context into calls of the core."""

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import task

from cyclone.settings import read_settings
from cyclone.spec import CheckKind, ModelSpec, find_model
from cyclone.store import Store

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


@task
def roll_up(model: str) -> dict[str, Any]:
    """Count what was logged since the last run."""
    from dataclasses import asdict

    from cyclone.rollups import roll_up as bring_up_to_date

    summary = bring_up_to_date(_open_store(), _find_spec(model))
    log.info("%s", summary)
    return asdict(summary)


@task
def check(model: str, kind: CheckKind, **context: Any) -> list[dict[str, Any]]:
    """Evaluate and record every check of one kind; the verdicts are printed and returned."""
    from cyclone.checks import evaluate_checks, format_verdicts

    results = evaluate_checks(_open_store(), _find_spec(model), kind, _read_window_end(context), context["run_id"])
    log.info("%s checks of %s:\n%s", kind, model, format_verdicts(results))
    return [result.to_json() for result in results]


@task.short_circuit
def decide(model: str, verdicts: list[list[dict[str, Any]]], **context: Any) -> str | None:
    """Join or open an incident when a retraining pays: returns the retraining's run id, else skips the rest."""
    from cyclone.checks import CheckResult
    from cyclone.evidence import collect_evidence, record_decision
    from cyclone.incidents import join_incident, retraining_run_id
    from cyclone.policy import decide as decide_on

    store, spec, run_id = _open_store(), _find_spec(model), context["run_id"]
    results = [CheckResult.from_json(item) for group in verdicts for item in group]
    evidence = collect_evidence(store, spec, results, _read_window_end(context))
    decision = decide_on(spec, evidence)
    log.log(logging.WARNING if decision.needs_person else logging.INFO, "%s", decision.reason)
    if not decision.should_retrain:
        record_decision(store, evidence, model, run_id, decision, None)
        return None
    if context["dag_run"].run_type == "backfill":
        log.info("This is a backfill: verdicts are recorded, no retraining is started.")
        return None
    incident = join_incident(
        store,
        model,
        source=run_id,
        at=evidence.now,
        reason=decision.reason,
        detail={"failed": [result.to_json() for result in results if result.verdict == "failed"]},
    )
    record_decision(store, evidence, model, run_id, decision, incident.incident_id)
    log.info("Incident %s is %s", incident.incident_id, "new" if incident.is_new else "already open")
    return retraining_run_id(model, incident.incident_id)


@task
def recalibrate(model: str, **context: Any) -> str:
    """Once a day: correct the champion's predictions by the newest labels, if that helps, in a light release."""
    from cyclone.errors import StaleReleaseError
    from training.calibration import recalibrate as correct

    if context["dag_run"].run_type == "backfill":
        return "a backfill releases nothing"
    try:
        done = correct(read_settings(), _find_spec(model), _read_window_end(context))
    except StaleReleaseError as error:
        log.info("%s; the next run tries again", error)
        return str(error)
    log.info("%s%s: %s", done.revision, " is new" if done.is_new else "", done.reason)
    return done.reason


def _open_store() -> Store:
    return Store(read_settings().store_dsn)


def _find_spec(model: str) -> ModelSpec:
    return find_model(read_settings().models_dir, model)


def _read_window_end(context: "Context | dict[str, Any]") -> datetime:
    """The end of the run's data interval; for a run triggered without one, the model's present."""
    end = context.get("data_interval_end")
    if end is not None and end != context.get("data_interval_start"):
        return datetime.fromisoformat(end.isoformat())
    from cyclone.clock import read_now

    return read_now(_open_store(), read_settings(), context["params"]["model"])
