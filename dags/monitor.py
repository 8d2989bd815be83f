"""### Watch a model, and ask for a retraining when that pays

Every few minutes, for the run's data interval, or in a replay for the day that the run's configuration names:

1. **roll_up** counts what was logged since the last run: features by reference bin, errors by hour.
2. **check_drift**, **check_error**, **check_estimate**, **check_service** each run their SQL checks
   (`sql/checks/<kind>/`), and record a verdict for every subject: `passed`, `failed` or `no_data`.
3. **reevaluate** judges an earlier window again when a late label or row has fallen into it. A verdict that changes
   is a new row beside the old one.
4. **compare** looks at traffic, tags and aliases beside the release record. It mends them if model.yaml says
   `release.reconcile: always`.
5. **decide** closes an open incident whose retraining is gone. It then asks the policy
   (`docs/decisions-and-policy.md`) whether a retraining pays. If so, it joins the open incident or opens one.
   Of the tasks that follow, those that are not due are skipped.
6. **request_retraining** starts `retrain__<model>`. An incident starts it once, however often it is asked.
   **tell_person** runs once for each hold. Upstream data are broken then, what serves is not what the release record
   says, or a retraining is due and a person must look first. The task updates the asset `x-cyclone://<model>/holds`.
7. **recalibrate** runs once in `recalibrate.every_days`. It corrects the champion's predictions by the newest labels,
   if that would have helped on the days before. The correction is a new revision of the same image, in seconds.
8. **score_refit** trains every three days what a retraining would have trained, and scores it beside the version that
   served. The next run decides by that whether a retraining pays. Nothing is registered or released.
9. **answer_alerts** runs if an alert of Grafana or Alertmanager asks for a recalibration or a roll-back
   (`docs/webhook.md`). **decide** answers those that ask for a retraining. 7 waits for the next run then.
10. **send_messages** runs if people are to be told of an incident, a hold, a release or lost rows
   (`docs/messages.md`). Each is told once by each route.

Steps 1 to 4 run in the triggerer and hold no worker. Each check's log has the table of its verdicts, and the log of
**decide** has all of them. The store keeps them in `check_result`. The counts are in the event of the asset
`x-cyclone://<model>/verdicts`. A backfill (`airflow backfill create --dag-id monitor__<model> …`) records verdicts
and starts nothing.
"""

from datetime import UTC, datetime
from typing import get_args

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, CronDataIntervalTimetable

from cyclone.names import name_dag
from cyclone.sections import CheckKind
from cyclone.settings import read_settings
from cyclone.spec import ModelSpec
from cyclone_airflow.alert_tasks import answer_alerts
from cyclone_airflow.health import holds_asset, verdicts_asset
from cyclone_airflow.message_task import send_messages
from cyclone_airflow.monitor_tasks import MonitorStep, decide_task, tell_person
from cyclone_airflow.parsing import find_specs
from cyclone_airflow.recalibrate_task import recalibrate_task
from cyclone_airflow.refit_task import score_refit

BEFORE_WALL_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
"""An end date in the past, so that the scheduler starts no run of a replay. Whoever replays starts the runs."""

settings = read_settings()


def build_monitor_dag(spec: ModelSpec, schedule: str) -> DAG:
    """The DAG `monitor__<model>`. It runs once every `schedule`, a cron expression in UTC."""
    with DAG(
        dag_id=name_dag("monitor", spec.name),
        description=f"Drift, error and service checks of {spec.name}",
        doc_md=f"{__doc__}\n\n**{spec.name}**: {spec.description}",
        schedule=CronDataIntervalTimetable(schedule, timezone="UTC"),
        start_date=datetime(2011, 1, 1, tzinfo=UTC),
        end_date=BEFORE_WALL_CLOCK if settings.clock == "replay" else None,
        catchup=False,  # an Airflow that is too slow looks less often, and piles no runs up
        max_active_runs=1,  # more would wait for each other at the roll-up
        params={"model": spec.name},
        tags=["cyclone", "monitor", spec.name],
    ) as dag:
        rolled_up = MonitorStep(task_id="roll_up", model=spec.name)
        checks = [MonitorStep(task_id=f"check_{kind}", model=spec.name) for kind in get_args(CheckKind)]
        verdicts = [check.output for check in checks]
        decision = decide_task.override(outlets=[verdicts_asset(spec.name)])(spec.name, verdicts)
        request_retraining = TriggerDagRunOperator(
            task_id="request_retraining",
            trigger_dag_id=name_dag("retrain", spec.name),
            trigger_run_id="{{ ti.xcom_pull(task_ids='decide', key='retraining') }}",
            skip_when_already_exists=True,
        )
        reevaluated = MonitorStep(task_id="reevaluate", model=spec.name)
        told = tell_person.override(outlets=[holds_asset(spec.name)])(spec.name)
        compared = MonitorStep(task_id="compare", model=spec.name)
        others = [
            recalibrate_task(spec.name),
            score_refit(spec.name),
            answer_alerts(spec.name),
            send_messages(spec.name),
        ]
        rolled_up >> [*checks, compared] >> decision >> [request_retraining, told, *others]
        checks >> reevaluated  # a broken check stops no decision, but fails the run here
    return dag


for model_spec in find_specs(settings, "monitor"):
    build_monitor_dag(model_spec, settings.monitor_schedule or model_spec.monitor.schedule)
