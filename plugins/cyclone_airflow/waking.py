"""How Airflow's API server starts a run of a model's monitor, without a request to itself."""

import logging

from cyclone.names import name_dag

log = logging.getLogger("cyclone.alerts")


def wake_monitor(model: str, run_id: str, by: str = "alert") -> bool:
    """Start a run of `monitor__<model>` under an id, unless there is one already. False when Airflow cannot do it.

    The monitor's next run does the same, so no error of Airflow's is one of whoever asks. `by` is who asks, as
    Airflow shows it.
    """
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.exceptions import DagRunAlreadyExists
    from airflow.utils.types import DagRunTriggeredByType

    dag_id = name_dag("monitor", model)
    try:
        trigger_dag(dag_id, triggered_by=DagRunTriggeredByType.REST_API, triggering_user_name=by, run_id=run_id)
    except DagRunAlreadyExists:
        return True
    except Exception as error:  # whatever keeps Airflow from it: a DAG that is not parsed yet, its database away
        log.warning("the run %s of %s could not be started: %r", run_id, dag_id, error)
        return False
    log.info("the run %s of %s is started", run_id, dag_id)
    return True
