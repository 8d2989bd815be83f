"""Read by Airflow's scheduler at its start: what every task needs is imported once, before tasks are forked."""

import importlib

for name in (
    "airflow.dag_processing.dagbag",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.definitions.timetables.interval",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.standard.operators.python",
    "psycopg2.extras",
    "pydantic_settings",
    "rich.table",
    "yaml",
):
    importlib.import_module(name)
