"""`python -m local_platform.warm_airflow scheduler …`: an Airflow component that has imported what its tasks need.

Tasks of the LocalExecutor are forks of its scheduler. Each would import MLflow, Great Expectations or Google's client
anew, which takes three to seven seconds. A fork of a process that has imported them starts in milliseconds.
"""

import gc
import os
import sys
from importlib import import_module

from training.tracking.client import QUIET

MODULES = {
    "scheduler": (
        "airflow.dag_processing.dagbag",  # what every task reads its DAG with: 0.2 s
        "airflow.providers.standard.operators.python",
        "airflow.providers.standard.operators.trigger_dagrun",
        "airflow.sdk.execution_time.task_runner",
        "great_expectations",
        "mlflow",
        "mlflow.sklearn",
        "pandas",
        "sklearn.ensemble",
        "skops.io",
    ),
    "triggerer": (),
}
"""The modules that a component imports at its start, beside those of `RELEASING`."""
RELEASING = ("google.cloud.run_v2", "google.api_core.retry", "psycopg2", "requests")
"""The modules that steps of a release need, in tasks and in the canary's trigger."""


def main() -> None:
    """Import the modules, then become the component."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    for name in (*MODULES[sys.argv[1]], *RELEASING):
        import_module(name)
    gc.collect()
    gc.freeze()  # the forks share these pages as long as no collection writes to them
    from airflow.__main__ import main as run_airflow

    run_airflow()


if __name__ == "__main__":
    main()
