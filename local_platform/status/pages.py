"""The addresses where a person or a program looks: of the platform's parts, and of one model."""

from cyclone.errors import ReleaseError
from cyclone.names import name_dag
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.platform_record import PlatformRecord, read_status
from local_platform.webhooks import describe_webhook


def find_running(settings: Settings) -> PlatformRecord | None:
    """The local platform that runs here, or None."""
    record = PlatformRecord.read(settings.work_dir.resolve())
    return record if record and record.owner.find() else None


def list_platform_pages(settings: Settings) -> dict[str, str]:
    """The addresses of Airflow, MLflow, Cloud Run and the webhook, those that are known, by their names."""
    record = find_running(settings)
    if record is None:
        row = Store(settings.store_dsn).fetch_one("status/page_addresses") or {} if settings.store_dsn else {}
        found = {"airflow": row.get("airflow"), "mlflow": row.get("mlflow") or settings.mlflow_uri}
        return {name: address for name, address in found.items() if address}
    return {
        "airflow": record.airflow.address,
        "mlflow": record.build_address("mlflow"),
        "cloud_run": record.build_address("cloud_run"),
        "alerts": describe_webhook(record.airflow),
    }


def list_model_pages(settings: Settings, spec: ModelSpec) -> dict[str, str]:
    """The addresses of a model, those that are known: its service, its DAGs, and its versions in MLflow."""
    pages = list_platform_pages(settings)
    service, found = find_service(settings, spec), {}
    if service:
        found = {"service": service, "openapi": f"{service}/docs.json"}
    if airflow := pages.get("airflow"):
        found["monitor"] = f"{airflow}/dags/{name_dag('monitor', spec.name)}"
        found["retrain"] = f"{airflow}/dags/{name_dag('retrain', spec.name)}"
    if mlflow := pages.get("mlflow"):
        found["versions"] = f"{mlflow}/#/models/{spec.name}"
    return found


def find_service(settings: Settings, spec: ModelSpec) -> str | None:
    """Where a model's service answers. None where it has none, or Cloud Run cannot be asked."""
    from releasing.cloud_run import CloudRun

    parts = {part.name: part.is_up for part in read_status(settings.work_dir)}
    if not parts.get("cloud-run", not parts and settings.cloud_run_project != "local"):
        return None
    try:
        service = CloudRun(settings).read_service(spec.service_name)
    except ReleaseError:
        return None
    return service.address if service else None
