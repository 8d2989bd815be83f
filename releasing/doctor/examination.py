"""The doctor's whole examination, in the order in which a first deployment meets the parts."""

import os

from cyclone.settings import Settings
from releasing.doctor import services, store
from releasing.doctor.findings import Diagnosis, run_check

ALIVE = "Look whether it runs at this address, and whether this machine may reach it"


def examine(settings: Settings, airflow: str = "") -> list[Diagnosis]:
    """What is found of each part. It changes nothing."""
    checks = [
        ("packages", services.check_versions, "make setup"),
        ("models", lambda: services.check_models(settings), "set CYCLONE_MODELS_DIR to the folder of the models"),
        ("deployment", lambda: services.check_deployment(settings), "correct the file, then `cyclone doctor`"),
        ("secrets", lambda: services.check_secrets(settings), ALIVE),
        ("store", lambda: store.check_store(settings), ALIVE),
        ("migrations", lambda: store.check_migrations(settings), "cyclone migrate"),
        ("training store", lambda: store.check_training_store(settings), ALIVE),
        ("registry", lambda: services.check_registry(settings), ALIVE),
        ("Cloud Run", lambda: services.check_cloud_run(settings), ALIVE),
        ("MLflow", lambda: services.check_mlflow(settings), ALIVE),
        ("Airflow", lambda: services.check_airflow(airflow or find_airflow()), ALIVE),
    ]
    return [finding for part, check, remedy in checks for finding in run_check(part, check, remedy)]


def find_airflow() -> str:
    """The address of Airflow's API server, by Airflow's own variable. Empty where it says nothing."""
    return os.environ.get("AIRFLOW__API__BASE_URL", "")
