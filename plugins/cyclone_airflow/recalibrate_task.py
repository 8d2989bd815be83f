"""The task `recalibrate` of `monitor__<model>`."""

import logging
from datetime import datetime
from typing import Any

from airflow.sdk import task

from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec
from cyclone_airflow import lineage_events
from cyclone_airflow.monitor_tasks import read_run

log = logging.getLogger(__name__)


@task(task_id="recalibrate")
def recalibrate_task(model: str, **context: Any) -> str:
    """Correct the champion's predictions by the newest labels if that helps, and release the correction at once."""
    from cyclone.errors import StaleReleaseError

    run = read_run(model, context)
    try:
        return correct_and_tell(read_settings(), run.find_spec(), run.find_end())
    except StaleReleaseError as error:
        log.info("%s. The next run tries again", error)
        return str(error)


def correct_daily(settings: Settings, spec: ModelSpec, at: datetime) -> str:
    """Recalibrate a champion because an alert or a person asks for it, and return the reason.

    That is a reason to search on any day. Once a day is still enough, as a day's labels are known at its end.
    """
    daily = spec.recalibrate.model_copy(update={"every_days": 1})
    return correct_and_tell(settings, spec.model_copy(update={"recalibrate": daily}), at)


def correct_and_tell(settings: Settings, spec: ModelSpec, at: datetime) -> str:
    """Recalibrate a champion if one search is due, tell MLflow and OpenLineage, and return the reason.

    Errors: those of `releasing.recalibration.recalibrate`.
    """
    from releasing.recalibration import recalibrate

    done = recalibrate(settings, spec, at)
    log.info("%s%s: %s", done.revision, " is new" if done.is_new else "", done.reason)
    if done.revision and done.version and done.is_new:
        _tell_calibration(settings, spec, done.version, done.revision, done.reason)
    return done.reason


def _tell_calibration(settings: Settings, spec: ModelSpec, version: int, revision: str, reason: str) -> None:
    """Tell MLflow and OpenLineage of a calibration. Either may be away, because the store has it already."""
    from cyclone.errors import TrackingError
    from training.registry import note_calibration

    try:
        note_calibration(settings, spec, version, revision, reason)
    except TrackingError as error:
        log.warning("MLflow could not be told of %s: %s", revision, error)
    read = [*lineage_events.locate_log(settings), lineage_events.locate_version(settings, spec, version)]
    made = [
        lineage_events.locate_revision(settings, spec, revision),
        lineage_events.locate_traffic(settings, spec, revision),
    ]
    lineage_events.tell(read, made, {"calibration": reason})
