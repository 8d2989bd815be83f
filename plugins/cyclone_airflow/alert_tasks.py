"""The task `answer_alerts` of `monitor__<model>`."""

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import task

from cyclone.errors import CycloneError
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone_airflow.monitor_tasks import MonitorRun, read_run

if TYPE_CHECKING:
    from cyclone.alerts.judging import AlertResult
    from cyclone.alerts.records import StoredAlert

log = logging.getLogger(__name__)
TRYING = timedelta(hours=1)
"""How long an action that fails is tried again by each run. Whatever was urgent then is a person's by now."""


@task
def answer_alerts(model: str, **context: Any) -> dict[str, str]:
    """Recalibrate or roll back, as alerts ask for it. Returns what became of each alert, by its source.

    An action that fails is tried again by the next run, for an hour. Until then this task fails.
    """
    from cyclone.alerts.records import list_waiting, note_answer

    run, settings = read_run(model, context), read_settings()
    store, spec = Store(settings.store_dsn), run.find_spec()
    told, failed = {}, []
    for alert in list_waiting(store, model):
        if alert.action == "retrain":
            continue  # it came after `decide`, and the next run's answers it
        try:
            result, reason = act(settings, spec, alert, run)
        except CycloneError as error:
            log.warning("%s of %s asks for %s, which failed: %s", alert.source, model, alert.action, error)
            if datetime.now(UTC) - alert.received_at < TRYING:
                failed.append(error)
                continue
            result, reason = "failed", str(error)
        note_answer(store, alert, result, reason)
        told[alert.source] = f"{result}: {reason}"
        log.info("%s, %s: %s", alert.asked_by, alert.action, told[alert.source])
    if failed:
        raise failed[0]
    return told


def act(settings: Settings, spec: ModelSpec, alert: "StoredAlert", run: MonitorRun) -> "tuple[AlertResult, str]":
    """Do what an alert asks for, as the commands and the monitor do it. It may be repeated."""
    from cyclone_airflow.recalibrate_task import correct_daily
    from releasing.alerted_return import return_for_alert

    if alert.action not in spec.webhook.actions:
        return "wait", f"webhook.actions of {spec.name} does not allow {alert.action} any more"
    if alert.action == "roll_back":
        return return_for_alert(settings, spec, alert)
    return "done", correct_daily(settings, spec, run.find_end())
