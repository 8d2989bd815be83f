"""The pages that a running platform serves, and a text that each shows."""

from local_platform.platform_record import PlatformRecord
from tests.e2e.lineage import read_mlflow

SWAGGER = ("docs", "redoc", "auth/docs", "auth/redoc", "execution/docs", "execution/redoc")


def list_pages(platform: PlatformRecord, service: str) -> dict[str, str]:
    """Addresses and texts. A text is empty where only what the page asks for matters."""
    airflow, cloud_run = platform.airflow.address, platform.build_address("cloud_run")
    return {
        f"{service}/": "What a row holds",
        f"{service}/docs.json": '"bike_demand"',
        **list_mlflow_pages(platform),
        f"{airflow}/": "Dags",
        f"{airflow}/dags": "retrain__bike_demand",
        f"{airflow}/dags/retrain__bike_demand": "rehearse",
        f"{airflow}/dags/monitor__bike_demand/code": "Parse Duration",
        f"{airflow}/assets": "verdicts of bike_demand",
        f"{airflow}/plugins": "cyclone_pages",
        f"{airflow}/plugin/cyclone/cyclone/": "bike_demand",
        f"{airflow}/cyclone/models/bike_demand": "Error by day",
        f"{airflow}/auth/login": "",
        **{f"{airflow}/{path}": "" for path in SWAGGER},
        f"{cloud_run}/": "",
    }


def list_mlflow_pages(platform: PlatformRecord) -> dict[str, str]:
    """Those about the version that the loop released, with what validated its data."""
    address = platform.build_address("mlflow")
    version = read_mlflow(platform, "model-versions/get", name="bike_demand", version="2")["model_version"]
    run = read_mlflow(platform, "runs/get", run_id=version["run_id"])["run"]["info"]
    experiment = f"{address}/#/experiments/{run['experiment_id']}"
    return {
        f"{address}/": "MLflow",
        f"{address}/#/experiments": "bike_demand",
        f"{experiment}/runs": run["run_name"],
        f"{experiment}/runs/{run['run_id']}": run["run_name"],
        f"{experiment}/runs/{run['run_id']}/artifacts/data/validation.html": "Table-Level Expectations",
        f"{address}/#/models": "bike_demand",
        f"{address}/#/models/bike_demand/versions/2": "bike_demand",
        f"{address}/#/prompts": "Prompts",
    }
