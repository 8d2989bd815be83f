"""### Watch a model, and ask for a retraining when its error has truly risen

Every few minutes, for the run's data interval:

1. **roll_up** counts what was logged since the last run: features by reference bin, errors by hour.
2. **check_drift**, **check_error**, **check_estimate**, **check_service** each run their SQL checks
   (`sql/checks/<kind>/`), and record a verdict for every subject: `passed`, `failed` or `no_data`.
3. **reevaluate** judges earlier windows again into which a late label or row fell; a verdict that changes is a
   new row beside the old one.
4. **compare** looks at traffic, tags and aliases beside the release record. `release.reconcile: always` in model.yaml
   has it mend them.
5. **decide** joins the open incident or opens one, if the policy (`docs/decisions-and-policy.md`) says that a
   retraining pays. What follows is skipped where it is not due. An incident whose retraining is gone is closed first.
6. **request_retraining** starts `retrain__<model>` once for an incident, however often it is asked.
   **tell_person** runs once for each hold: upstream data are broken, what serves is not what the release record
   says, or a retraining is due and a person must look first. It updates the asset `x-cyclone://<model>/holds`.
7. **recalibrate**, once in `recalibrate.every_days`, corrects the champion's predictions by the newest labels
   if that would have helped on the days before: a new revision of the same image, in seconds.

The triggerer does 1 to 4: they hold no worker. Verdict tables are in the task logs and in the store's
`check_result`; **decide** logs all of them, and its event of the asset `x-cyclone://<model>/verdicts` has their
counts. A backfill (`airflow backfill create --dag-id monitor__<model> …`) records verdicts and starts nothing.
"""

from datetime import UTC, datetime
from typing import get_args

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, CronDataIntervalTimetable

from cyclone.names import name_dag
from cyclone.sections import CheckKind
from cyclone.settings import read_settings
from cyclone.spec import ModelSpec
from cyclone_airflow.health import holds_asset, verdicts_asset
from cyclone_airflow.monitor_tasks import MonitorStep, decide_task, tell_person
from cyclone_airflow.parsing import find_specs
from cyclone_airflow.recalibrate_task import recalibrate_task

BEFORE_WALL_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
"""In a replay the past is the present: the wall's clock starts no run, whoever replays does."""

settings = read_settings()


def build_monitor_dag(spec: ModelSpec, schedule: str) -> DAG:
    """The DAG `monitor__<model>`, once every `schedule` (a cron expression)."""
    with DAG(
        dag_id=name_dag("monitor", spec.name),
        description=f"Drift, error and service checks of {spec.name}",
        doc_md=f"{__doc__}\n\n**{spec.name}**: {spec.description}",
        schedule=CronDataIntervalTimetable(schedule, timezone="UTC"),
        start_date=datetime(2011, 1, 1, tzinfo=UTC),
        end_date=BEFORE_WALL_CLOCK if settings.clock == "replay" else None,
        catchup=False,
        max_active_runs=1,
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
        rolled_up >> [*checks, compared] >> decision >> [request_retraining, told, recalibrate_task(spec.name)]
        checks >> reevaluated  # a broken check stops no decision, but fails the run here
    return dag


for model_spec in find_specs(settings, "monitor"):
    build_monitor_dag(model_spec, settings.monitor_schedule or model_spec.monitor.schedule)
