"""The tasks of `retrain__<model>`: each calls one function of `training`, and can run twice."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context, task
from airflow.sdk.exceptions import AirflowFailException

from cyclone.errors import CycloneError, DataError, RehearsalError
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store

if TYPE_CHECKING:
    from cyclone.incidents import Outcome

log = logging.getLogger(__name__)
Values = dict[str, Any]


@task.short_circuit(ignore_downstream_trigger_rules=True)
def start(model: str, **context: Any) -> Values | None:
    """Join the model's incident, or open one for the person who asked. One retraining answers an incident."""
    from cyclone.clock import read_now
    from cyclone.incidents import join_incident, start_retraining

    settings, spec = _read(model)
    store = Store(settings.store_dsn)
    as_of = read_now(store, settings, model)
    run_id = context["run_id"]
    incident = join_incident(store, model, source=run_id, at=as_of, reason=f"requested by {run_id}", detail={})
    start_retraining(store, run_id, model, incident.incident_id, as_of, spec.retrain.cost)
    owner = store.fetch_one("store/retraining_owner", incident_id=incident.incident_id)
    if owner is None or owner["run_id"] != run_id:
        log.info("Incident %s is answered by another run (%s): nothing to do.", incident.incident_id, owner)
        return None
    log.info("Retraining %s for incident %s, with what is known at %s", model, incident.incident_id, as_of)
    return {"incident_id": incident.incident_id, "as_of": as_of.isoformat()}


@task
def dataset(model: str, started: Values, **context: Any) -> Values:
    """Every row whose label was known at the start, as it was served; before the first version the history file too."""
    from datetime import datetime

    from training.dataset import build_dataset
    from training.history import bring_history

    settings, spec = _read(model)
    with _fail_without_retry():
        log.info("%s rows of the history file are new in the store", bring_history(settings, spec))
        return _show(build_dataset(settings, spec, context["run_id"], datetime.fromisoformat(started["as_of"])))


@task
def validate(model: str, data: Values) -> Values:
    """Great Expectations, generated from model.yaml; invalid rows stop the run before anything is trained."""
    from training.dataset import Dataset
    from training.validation import validate_dataset

    settings, spec = _read(model)
    with _fail_without_retry():
        return _show(validate_dataset(settings, spec, Dataset(**data)))


@task
def train(model: str, data: Values, **context: Any) -> Values:
    """Fit the challenger and measure the error that it is accepted with; an MLflow run holds all of it."""
    from training.dataset import Dataset
    from training.train import train_challenger

    settings, spec = _read(model)
    return _show(train_challenger(settings, spec, Dataset(**data), context["run_id"]))


@task.short_circuit(ignore_downstream_trigger_rules=False)
def gate(model: str, data: Values, challenger: Values) -> Values | None:
    """Score champion and challenger on the same newest rows; a worse challenger ends here."""
    from training.dataset import Dataset
    from training.gate import compare_with_champion
    from training.train import Challenger

    settings, spec = _read(model)
    decision = _show(compare_with_champion(settings, spec, Dataset(**data), Challenger(**challenger)))
    return decision if decision["passed"] else None


@task
def register(model: str, challenger: Values, decision: Values) -> Values:
    """Make the challenger a registered version, with its reference profile in the store."""
    from training.gate import GateDecision
    from training.registry import register_challenger
    from training.train import Challenger

    settings, spec = _read(model)
    return _show(register_challenger(settings, spec, Challenger(**challenger), GateDecision(**decision)))


@task
def image(model: str, version: Values) -> Values:
    """Build the version's image."""
    from training.image import build_image

    settings, spec = _read(model)
    return _show(build_image(settings, spec, version["version"]))


@task
def candidate(model: str, version: Values, built: Values, **context: Any) -> Values:
    """Deploy the image as a revision at 0 % of the traffic, behind a tag, and wait until it is ready."""
    from training.image import Image
    from training.reconcile import reconcile
    from training.release import deploy_candidate

    settings, spec = _read(model)
    for drift in reconcile(settings, spec):
        log.warning("mended before the release: %s", drift)
    deployed = deploy_candidate(settings, spec, version["version"], Image(**built), context["run_id"])
    return _show(deployed)


@task
def rehearse(model: str, version: Values, deployed: Values) -> Values:
    """Play the newest logged requests to the candidate: valid, quick, and what the registered model answers."""
    from training.rehearsal import rehearse as play_logged_requests
    from training.release import Candidate

    settings, spec = _read(model)
    with _fail_without_retry():
        return _show(play_logged_requests(settings, spec, Candidate(**deployed), version["version"]))


@task
def promote(model: str, deployed: Values) -> None:
    """All traffic, the champion alias and the release record go to the candidate, together."""
    from training.release import Candidate
    from training.release import promote as promote_candidate

    settings, spec = _read(model)
    promote_candidate(settings, spec, Candidate(**deployed))


@task(trigger_rule="one_failed")
def roll_back(model: str, **context: Any) -> None:
    """A release step failed: all traffic returns to the champion, and the candidate is marked."""
    from training.release import roll_back as return_to_champion

    settings, spec = _read(model)
    return_to_champion(settings, spec, context["run_id"], "a step of the release failed")


@task(trigger_rule="all_done")
def close(model: str, started: Values | None, **context: Any) -> str:
    """Close the incident with its outcome: promoted, kept_champion or failed. A failure fails the run."""
    from cyclone.clock import read_now
    from cyclone.incidents import close_incident, finish_retraining
    from cyclone.releases import release_of_run

    if started is None:
        raise AirflowFailException(f"{context['run_id']} did not start: see the task `start`; its incident stays open")
    settings, _ = _read(model)
    store, run_id = Store(settings.store_dsn), context["run_id"]
    outcome, reason = _conclude(context["ti"])
    now = read_now(store, settings, model)
    release = release_of_run(store, run_id)
    reason = finish_retraining(store, run_id, now, outcome, reason, release.version if release else None)
    close_incident(store, started["incident_id"], now, outcome)
    _follow_record(settings, model)
    log.info("The retraining is over: %s (%s)", outcome, reason)
    if outcome == "failed":
        raise AirflowFailException(f"{reason}; what served before serves on")
    return outcome


def note_failure(context: Context) -> None:
    """What Airflow calls when a task of a retraining has failed for good: keep its error for `close` to tell."""
    from cyclone.incidents import note_failure as note

    reason = f"{context['ti'].task_id}: {context.get('exception') or 'no error was given'}"
    note(Store(read_settings().store_dsn), context["run_id"], reason)


@contextmanager
def _fail_without_retry() -> Iterator[None]:
    """The same rows are as unusable the next time, the same candidate as bad: do not try again."""
    try:
        yield
    except (DataError, RehearsalError) as error:
        raise AirflowFailException(str(error)) from error


def _follow_record(settings: Settings, model: str) -> None:
    """Leave nothing half released; what cannot be mended now is mended by `cyclone reconcile` or the next release."""
    from training.reconcile import reconcile

    try:
        for drift in reconcile(settings, find_model(settings.models_dir, model)):
            log.warning("mended: %s", drift)
    except CycloneError as error:
        log.warning("record, traffic and aliases could not be compared: %s", error)


def _conclude(instance: Any) -> "tuple[Outcome, str]":
    """The outcome and its reason, from the states of this run's tasks."""
    states = instance.get_task_states(dag_id=instance.dag_id, run_ids=[instance.run_id])[instance.run_id]
    failed = sorted(name for name, state in states.items() if state in ("failed", "upstream_failed"))
    if states.get("promote") == "success":
        return "promoted", "the challenger serves"
    if failed:
        broken = [name for name in failed if states[name] == "failed"] or failed
        return "failed", f"task {', '.join(broken)} failed"
    return "kept_champion", "the gate kept the champion"


def _read(model: str) -> tuple[Settings, ModelSpec]:
    settings = read_settings()
    return settings, find_model(settings.models_dir, model)


def _show(result: Any) -> Values:
    """Log a step's result and return it as plain values for the next one."""
    values = asdict(result)
    log.info("%s:\n%s", type(result).__name__, "\n".join(f"  {key}: {value}" for key, value in values.items()))
    return values
