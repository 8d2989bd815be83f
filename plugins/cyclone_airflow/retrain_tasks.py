"""The first, the last and those tasks of `retrain__<model>` that make a version. Each can run twice."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context, task
from airflow.sdk.exceptions import AirflowFailException

from cyclone.errors import ConfigurationError, CycloneError, HoldError
from cyclone.names import ASKED_BY_KEY
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone_airflow import lineage_events
from cyclone_airflow.run_links import GateLink, ValidationLink
from cyclone_airflow.task_values import Values, fail_without_retry, read_model, show_result

if TYPE_CHECKING:
    from datetime import datetime

    from cyclone.policy.incidents import Outcome
    from cyclone.releases import Release

log = logging.getLogger(__name__)
NOBODY = "Anonymous"
"""What Airflow calls everyone where it asks for no password, as it does on one machine."""


@task.short_circuit(ignore_downstream_trigger_rules=True)
def start(model: str, **context: Any) -> Values | None:
    """Take the incident that the monitor opened, or ask the policy for whoever started this run.

    One retraining answers an incident. A request that the policy holds fails here, with what can be done about it.
    """
    from cyclone.clock import read_now
    from cyclone.policy.incidents import find_retraining, start_retraining

    settings, spec = read_model(model)
    store = Store(settings.store_dsn)
    as_of = read_now(store, settings, model)
    run_id = context["run_id"]
    incident_id = _find_incident(store, spec, as_of, context)
    start_retraining(store, run_id, model, incident_id, as_of, spec.retrain.cost)
    owner = find_retraining(store, incident_id)
    if owner != run_id:
        log.info("Incident %s is answered by another run (%s): nothing to do.", incident_id, owner)
        return None
    log.info("Retraining %s for incident %s, with what is known at %s", model, incident_id, as_of)
    return {"incident_id": incident_id, "as_of": as_of.isoformat()}


def _find_incident(store: Store, spec: ModelSpec, as_of: "datetime", context: Any) -> int:
    """The incident that this run answers. The monitor names its runs after it, and any other run is a request."""
    from cyclone.policy.incidents import find_named_incident
    from cyclone.policy.requests import ask, build_request
    from cyclone.wording import read_reason

    named = find_named_incident(store, spec.name, context["run_id"])
    if named is not None:
        return named
    run, params = context["dag_run"], context["params"]
    is_person = run.run_type == "manual"
    asked_by = (_name_person(run) if is_person else None) or run.run_id
    try:
        said = {"because": read_reason(params["because"]), "despite": params["despite"]}
        request = build_request(asked_by, is_person=is_person, waited_seconds=_measure_wait(run), **said)
    except (ConfigurationError, HoldError) as error:
        raise AirflowFailException(str(error)) from error
    answer = ask(store, spec, run.run_id, request, as_of)
    if answer.incident_id is None:
        raise AirflowFailException(answer.describe_refusal(spec.name))
    return answer.incident_id


def _name_person(run: Any) -> str | None:
    """Who triggered a run. A command may name its user only where Airflow knows nobody, for it asks for no password."""
    if run.triggering_user_name != NOBODY:
        return run.triggering_user_name  # type: ignore[no-any-return]
    return str((run.conf or {}).get(ASKED_BY_KEY) or NOBODY)


def _measure_wait(run: Any) -> float:
    """The seconds since somebody triggered the run. It may have stood behind another one, which answered it.

    Whoever clears a run asks anew.
    """
    from datetime import UTC, datetime

    return 0.0 if run.clear_number else max(0.0, (datetime.now(UTC) - run.run_after).total_seconds())


@task
def dataset(model: str, started: Values, **context: Any) -> Values:
    """Freeze every row whose label was known at the start, as it was served.

    The rows of the history file are taken too. They are loaded before the first version, and again when corrected.
    """
    from datetime import datetime

    from training.data.dataset import build_dataset
    from training.data.history import bring_history

    settings, spec = read_model(model)
    with fail_without_retry():
        brought = bring_history(settings, spec)
        log.info("%s rows of the history file are new in the store", brought)
        if brought:  # a replica may not have the new rows yet, so this dataset is read from the store itself
            settings = settings.model_copy(update={"training_dsn": ""})
        data = show_result(build_dataset(settings, spec, context["run_id"], datetime.fromisoformat(started["as_of"])))
    lineage_events.tell(
        lineage_events.locate_log(settings),
        [lineage_events.locate_frame(spec, data)],
        _describe_request(settings, model, context),
    )
    return data


@task
def validate(model: str, data: Values, **context: Any) -> Values:
    """Check the dataset by model.yaml and the model's own expectations, with Great Expectations.

    Invalid rows stop the run before anything is trained.
    """
    from training.data.dataset import take_dataset
    from training.validation import check_report, list_assertions, validate_dataset

    settings, spec = read_model(model)
    frozen = take_dataset(settings, model, context["run_id"], data)
    report = validate_dataset(settings, spec, frozen, context["run_id"])
    context["ti"].xcom_push(ValidationLink.PAGE, report.page)
    lineage_events.tell([lineage_events.locate_frame(spec, data, list_assertions(frozen))])
    for warning in report.warnings:
        log.warning("%s: %s", spec.name, warning)
    with fail_without_retry():
        return show_result(check_report(spec, report))


@task
def train(model: str, data: Values, **context: Any) -> Values:
    """Fit the challenger and measure its accepted error. An MLflow run keeps all of it.

    First pipeline.py is fitted on some of the rows and asked as a service would ask it. Its mistakes end here.
    """
    from training.checking.pipeline import check_pipeline
    from training.data.dataset import read_dataset, take_dataset
    from training.fit.train import train_challenger

    settings, spec = read_model(model)
    frozen = take_dataset(settings, model, context["run_id"], data)
    with fail_without_retry():
        check_pipeline(settings, spec, read_dataset(spec, frozen))
        challenger = show_result(train_challenger(settings, spec, frozen, context["run_id"]))
    lineage_events.tell([lineage_events.locate_frame(spec, data)], [lineage_events.locate_run(settings, challenger)])
    return challenger


@task.short_circuit(ignore_downstream_trigger_rules=False)
def gate(model: str, data: Values, challenger: Values, **context: Any) -> Values | None:
    """Score champion and challenger on the same newest rows. A challenger that is shown to be worse ends the run here.

    The numbers are the XCom `decision`, whatever the decision is. An extra link leads to them in MLflow.
    """
    from training.data.dataset import take_dataset
    from training.fit.train import Challenger
    from training.gate.comparison import GATE_FILE, compare_with_champion
    from training.tracking.client import connect
    from training.tracking.runs import find_page

    settings, spec = read_model(model)
    frozen = take_dataset(settings, model, context["run_id"], data)
    decision = show_result(compare_with_champion(settings, spec, frozen, Challenger(**challenger)))
    context["ti"].xcom_push("decision", decision)
    page = find_page(settings, connect(settings), challenger["mlflow_run_id"], GATE_FILE)
    context["ti"].xcom_push(GateLink.PAGE, page)
    read = [lineage_events.locate_frame(spec, data), lineage_events.locate_run(settings, challenger)]
    lineage_events.tell(
        read, tags={"gate": "passed" if decision["passed"] else "refused", "gate.reason": decision["reason"]}
    )
    return decision if decision["passed"] else None


@task
def register(model: str, challenger: Values, decision: Values) -> Values:
    """Make the challenger a registered version, and put its reference profile into the store."""
    from training.fit.train import Challenger
    from training.gate.rules import GateDecision
    from training.registry import register_challenger

    settings, spec = read_model(model)
    version = show_result(register_challenger(settings, spec, Challenger(**challenger), GateDecision(**decision)))
    lineage_events.tell(
        [lineage_events.locate_run(settings, challenger)],
        [lineage_events.locate_version(settings, spec, version["version"])],
    )
    return version


@task
def image(model: str, version: Values) -> Values:
    """Build the version's image."""
    from training.images.image import build_image
    from training.registry import note_image

    settings, spec = read_model(model)
    number = version["version"]
    built = build_image(settings, spec, number)
    note_image(settings, spec, number, built)
    lineage_events.tell(
        [lineage_events.locate_version(settings, spec, number)],
        [lineage_events.locate_pushed_image(settings, asdict(built))],
    )
    return show_result(built)


@task(trigger_rule="all_done")
def close(model: str, started: Values | None, **context: Any) -> str:
    """Close the incident with its outcome: `promoted`, `kept_champion` or `failed`. If it is `failed`, fail the run."""
    from cyclone.clock import read_now
    from cyclone.policy.incidents import close_incident, finish_retraining
    from cyclone.releases import release_of_run

    if started is None:
        raise AirflowFailException(f"{context['run_id']} did not start. Its task `start` says why in its log")
    settings, spec = read_model(model)
    store, run_id = Store(settings.store_dsn), context["run_id"]
    release = release_of_run(store, model, run_id)
    outcome, reason = _conclude(context["ti"], release)
    now = read_now(store, settings, model)
    version = release.version if release else None
    outcome, reason = finish_retraining(store, model, run_id, now, outcome, reason, version)
    close_incident(store, started["incident_id"], now, outcome)
    _follow_record(settings, spec)
    log.info("The retraining is over: %s (%s)", outcome, reason)
    if outcome == "failed":
        raise AirflowFailException(f"{reason}. The version that served before still serves")
    return outcome


def _describe_request(settings: Settings, model: str, context: Mapping[str, Any]) -> dict[str, str]:
    """The incident that the run answers and who asked for it, as tags by name."""
    from training.tracking.runs import read_request

    tags = read_request(settings, model, context["run_id"])
    return {name.removeprefix("cyclone."): text for name, text in tags.items()}


def keep_failure(model: str, context: Context) -> None:
    """Keep the error of a task that has failed for good, so that `close` can tell it.

    Airflow calls this with the context."""
    from cyclone.policy.incidents import note_failure

    reason = f"{context['ti'].task_id}: {context.get('exception') or 'no error was given'}"
    note_failure(Store(read_settings().store_dsn), model, context["run_id"], reason)


def _follow_record(settings: Settings, spec: ModelSpec) -> None:
    """Leave nothing half released. What cannot be mended now, `cyclone reconcile` or the next release mends."""
    from releasing.reconcile import reconcile

    try:
        for drift in reconcile(settings, spec):
            log.warning("mended: %s", drift)
    except CycloneError as error:
        log.warning("record, traffic and aliases could not be compared: %s", error)


def _conclude(instance: Any, release: "Release | None") -> "tuple[Outcome, str]":
    """The outcome and its reason: from the release, which says what was promoted, else from the run's tasks.

    A promotion that somebody has undone since is still the outcome. The policy counts it as rolled back.
    """
    states = instance.get_task_states(dag_id=instance.dag_id, run_ids=[instance.run_id])[instance.run_id]
    failed = sorted(name for name, state in states.items() if state in ("failed", "upstream_failed"))
    broken = [name for name in failed if states[name] == "failed"] or failed
    if release is not None and release.promoted_at is not None:
        return "promoted", "the challenger serves" + (f", although task {', '.join(broken)} failed" if broken else "")
    if failed:
        return "failed", f"task {', '.join(broken)} failed"
    return "kept_champion", "the gate kept the champion"
