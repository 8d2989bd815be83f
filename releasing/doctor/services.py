"""The doctor's checks of what releases need: models, deployment, Cloud Run, the registry, MLflow and Airflow."""

import os
from collections.abc import Iterator
from importlib import metadata

from cyclone.image_contract import API_KEYS_VARIABLE, STORE_DSN_VARIABLE
from cyclone.installation.secret_manager import is_reference
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, load_model_specs
from releasing.cloud_run import CloudRun
from releasing.doctor.findings import Diagnosis, absent, fault, well
from releasing.revisions.deployment import read_installation
from releasing.revisions.invocation import build_caller_headers

RELEASE_PERMISSIONS = (
    *("run.services.get", "run.services.update", "run.revisions.get", "run.revisions.list", "run.revisions.delete"),
    "run.routes.invoke",
)
"""What a release does with a service. roles/run.developer and roles/run.invoker have all of it."""
PACKAGE = "cyclone-mlops"
"""The name under which Cyclone is installed."""
AIRFLOW_PARTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
# How long Airflow may take to say how it is. Its page asks its database once.
REQUEST_SECONDS = 10


def check_models(settings: Settings) -> Iterator[Diagnosis]:
    """Can every model.yaml be used?"""
    specs, errors = load_model_specs(settings.models_dir)
    for error in errors:
        yield fault("models", str(error), "correct the file, then `cyclone models`")
    if not specs and not errors:
        yield fault(
            "models", f"{settings.models_dir} has no model", "set CYCLONE_MODELS_DIR to the folder of the models"
        )
    elif specs:
        yield well("models", ", ".join(spec.name for spec in specs))


def check_deployment(settings: Settings) -> Iterator[Diagnosis]:
    """Can the deployment configuration be used, and does it name models that are there?"""
    if settings.deployment_file is None:
        yield absent("deployment", "revisions carry what the services have")
        return
    installation = read_installation(settings.deployment_file)
    known = {spec.name for spec in load_model_specs(settings.models_dir)[0]}
    if unknown := sorted(set(installation.models) - known):
        said = f"{settings.deployment_file} names {', '.join(unknown)}, and there is no such model"
        yield fault("deployment", said, f"name one of {', '.join(sorted(known)) or 'no model'}, or remove it")
    else:
        yield well("deployment", str(settings.deployment_file))


def check_cloud_run(settings: Settings) -> Iterator[Diagnosis]:
    """Does Cloud Run answer, and may this account release and ask every service that is there?"""
    cloud = CloudRun(settings, retry_seconds=REQUEST_SECONDS)
    specs, _ = load_model_specs(settings.models_dir)
    for spec in specs:
        yield from _check_service(settings, cloud, spec)


def _check_service(settings: Settings, cloud: CloudRun, spec: ModelSpec) -> Iterator[Diagnosis]:
    part = f"Cloud Run: {spec.service_name}"
    if cloud.read_service(spec.service_name) is None:
        yield absent(part, f"there is no service at {cloud.place} yet. The first release makes it")
        return
    missing = sorted(set(RELEASE_PERMISSIONS) - set(cloud.list_permissions(spec.service_name, RELEASE_PERMISSIONS)))
    if missing:
        role = "roles/run.invoker" if missing == ["run.routes.invoke"] else "roles/run.developer"
        yield fault(
            part,
            f"this account lacks {', '.join(missing)}",
            f"gcloud run services add-iam-policy-binding {spec.service_name} --region {settings.cloud_run_location}"
            f" --project {settings.cloud_run_project} --member serviceAccount:ACCOUNT --role {role}",
        )
        return
    build_caller_headers(cloud, spec.service_name)
    yield well(part, f"{cloud.place}, with all that a release needs")


def check_registry(settings: Settings) -> Iterator[Diagnosis]:
    """Does the registry answer, and has it the base image of this code?"""
    if not settings.image_repository:
        yield absent("registry", "images are Bentos of this machine")
        return
    from training.images.base import COMMAND, find_base, name_base, open_repository

    repository = open_repository(settings)
    if repository.read_manifest(name_base(settings)) is None:
        yield fault("registry", f"{repository.name} has no base image of this code", COMMAND)
        return
    find_base(settings)
    yield well("registry", f"{repository.name}:{name_base(settings)}")


def check_mlflow(settings: Settings) -> Iterator[Diagnosis]:
    """Does MLflow answer, in the version of the client here?"""
    from training.tracking.client import HTTP, connect, request_server

    client = connect(settings)
    if not settings.mlflow_uri.startswith(HTTP):
        client.search_experiments(max_results=1)
        yield well("MLflow", settings.mlflow_uri)
        return
    reply = request_server(settings, "GET", "/version")
    ours = metadata.version("mlflow")
    if reply.status_code in (401, 403):
        said = f"{settings.mlflow_uri} answers {reply.status_code}"
        yield fault("MLflow", said, "give MLFLOW_TRACKING_TOKEN, or a user and password")
    elif not reply.ok:
        yield fault("MLflow", f"{settings.mlflow_uri} answers {reply.status_code}", "look at the server's log")
    elif reply.text.split(".")[0] != ours.split(".")[0]:
        said = f"{settings.mlflow_uri} is MLflow {reply.text}, and the client here {ours}"
        yield fault("MLflow", said, f"run MLflow {ours} there")
    else:
        yield well("MLflow", f"{settings.mlflow_uri}, version {reply.text}")


def check_airflow(address: str) -> Iterator[Diagnosis]:
    """Are Airflow's database, scheduler, triggerer and DAG processor alive?"""
    import requests

    if not address:
        yield absent("Airflow", "no address is given. `--airflow ADDRESS` asks it")
        return
    try:
        reply = requests.get(f"{address.rstrip('/')}/api/v2/monitor/health", timeout=REQUEST_SECONDS)
        parts = reply.json()
    except (requests.RequestException, ValueError) as error:
        yield fault("Airflow", f"{address} does not say how it is: {error}", "start its API server: airflow api-server")
        return
    for name in AIRFLOW_PARTS:
        status = (parts.get(name) or {}).get("status")
        command = f"airflow {name.replace('_', '-')}"
        remedy = "start Airflow's database" if name == "metadatabase" else f"start it: {command}"
        if status != "healthy":
            yield fault("Airflow", f"the {name} at {address} is {status or 'not there'}", remedy)
    if all((parts.get(name) or {}).get("status") == "healthy" for name in AIRFLOW_PARTS):
        yield well("Airflow", address)


def check_versions() -> Iterator[Diagnosis]:
    """Are the installed packages those that Cyclone needs?"""
    from packaging.requirements import Requirement

    wanted = [Requirement(text) for text in metadata.requires(PACKAGE) or []]
    wrong = []
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _find_version(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} {found or 'is not installed'} (needed {requirement.specifier})")
    if wrong:
        yield fault("packages", ", ".join(wrong), "make setup, or install Cyclone's wheel again")
    else:
        yield well("packages", f"cyclone {metadata.version(PACKAGE)}, and {len(wanted)} that it needs")


def _find_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_secrets(settings: Settings) -> Iterator[Diagnosis]:
    """Are the values that settings name by a secret readable? Reading the settings has read them."""
    named = [name for name in (STORE_DSN_VARIABLE, "CYCLONE_TRAINING_DSN", API_KEYS_VARIABLE) if _is_named(name)]
    yield well("secrets", ", ".join(named)) if named else absent("secrets", "no setting names a secret")


def _is_named(variable: str) -> bool:
    return is_reference(os.environ.get(variable, ""))
