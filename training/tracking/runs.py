"""The MLflow run of a retraining. The validation opens it, the training fills it, and tags say what led to it."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cyclone.lineage.explain import list_asking, name_requester
from cyclone.lineage.report import describe_check
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from training.data.dataset import Dataset
from training.tracking.client import connect

RUN_TAG = "cyclone.run_id"
MODEL_TAG = "cyclone.model_uri"
AS_OF_TAG = "cyclone.as_of"
FINGERPRINT_TAG = "cyclone.fingerprint"
FRAME_TAG = "cyclone.frame_sha256"
INCIDENT_TAG = "cyclone.incident"
REASON_TAG = "cyclone.incident.reason"
REQUESTER_TAG = "cyclone.requester"
CHECKS_TAG = "cyclone.evaluation"
VALIDATION_TAG = "cyclone.validation"
GATE_TAG = "cyclone.gate"
GATE_REASON_TAG = "cyclone.gate.reason"
IMAGE_TAG = "cyclone.image"
DIGEST_TAG = "cyclone.image_digest"
REVISION_TAG = "cyclone.revision"
CALIBRATION_TAG = "cyclone.fitting"
VALIDATION_PAGE, VALIDATION_RESULT = VALIDATION_FILES = ("validation.html", "validation.json")
PASSED = "passed"
EXPECTATIONS_FILE = "expectations.py"
TAG_CHARACTERS = 5000
"""How many characters of a tag's value every MLflow server keeps. Longer values are cut here."""
LINEAGE_TAGS = (
    *(RUN_TAG, AS_OF_TAG, FINGERPRINT_TAG, INCIDENT_TAG, REASON_TAG, REQUESTER_TAG, CHECKS_TAG),
    *(GATE_TAG, GATE_REASON_TAG),
)
"""The tags that a registered version takes over from its run."""


def find_finished_run(client: Any, spec: ModelSpec, dataset: Dataset, run_id: str) -> Any | None:
    """The MLflow run that this retraining has finished on the same data, or None."""
    found = _search(client, find_experiment(client, spec), dataset, run_id, "FINISHED")
    return found[0] if found else None


def open_run(settings: Settings, spec: ModelSpec, dataset: Dataset, run_id: str) -> str:
    """The id of an MLflow run for this retraining and this data, in which nothing was trained yet.

    A run that the retraining has opened before is used again. Without one a new run is made. A run that a dead task
    has begun to fill is left behind.
    """
    client = connect(settings)
    experiment_id = find_experiment(client, spec)
    # Training writes its params together with its results, so a run without params is unused.
    unused = [run for run in _search(client, experiment_id, dataset, run_id, "RUNNING") if not run.data.params]
    if unused:
        return str(unused[0].info.run_id)
    tags = {
        RUN_TAG: run_id,
        "cyclone.model": spec.name,
        FINGERPRINT_TAG: dataset.fingerprint,
        FRAME_TAG: hash_file(Path(dataset.path)),
        AS_OF_TAG: dataset.as_of,
        **read_request(settings, spec.name, run_id),
    }
    return str(client.create_run(experiment_id, run_name=run_id, tags=tags).info.run_id)


def find_experiment(client: Any, spec: ModelSpec) -> str:
    """The id of the model's MLflow experiment. It is made if it is missing."""
    experiment = client.get_experiment_by_name(spec.name)
    return str(experiment.experiment_id if experiment else client.create_experiment(spec.name))


def read_request(settings: Settings, model: str, run_id: str) -> dict[str, str]:
    """Tags that say which incident a retraining answers, who or what asked for it, and which checks had failed.

    The failed checks come with their numbers. There are no tags when the store knows no incident of the run.
    """
    store = Store(settings.store_dsn)
    retraining = store.fetch_one("lineage/retraining", model=model, run_id=run_id, incident_id=None)
    if retraining is None or retraining["incident_id"] is None:
        return {}
    number = retraining["incident_id"]
    incident = store.fetch_one("policy/incident", incident_id=number, model=None)
    alarms = store.fetch("lineage/alarms", incident_id=number)
    checks = store.fetch("lineage/checks", incident_id=number)
    failed = [describe_check(check) for check in checks if check["verdict"] == "failed"]
    return {
        INCIDENT_TAG: str(number),
        REASON_TAG: incident["reason"] if incident else "",
        REQUESTER_TAG: ", ".join(map(name_requester, list_asking(alarms, run_id))),
        CHECKS_TAG: "\n".join(failed)[:TAG_CHARACTERS] or "none failed",
    }


def find_page(settings: Settings, client: Any, mlflow_run_id: str, artifact: str) -> str:
    """The address of the page on which MLflow shows an artifact of a run, without a password.

    If MLflow has no pages, as on a file system, it is the address of the artifact itself.
    """
    run = client.get_run(mlflow_run_id)
    address = urlsplit(settings.mlflow_uri)
    if not address.scheme.startswith("http"):
        return f"{run.info.artifact_uri}/{artifact}"
    shown = address._replace(netloc=address.netloc.rpartition("@")[2]).geturl()
    place = f"experiments/{run.info.experiment_id}/runs/{mlflow_run_id}/artifacts/{artifact}"
    return f"{shown.rstrip('/')}/#/{place}"


def hash_file(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _search(client: Any, experiment_id: str, dataset: Dataset, run_id: str, status: str) -> list[Any]:
    tags = {RUN_TAG: run_id, FINGERPRINT_TAG: dataset.fingerprint}
    wanted = [f"tags.`{name}` = '{value}'" for name, value in tags.items()] + [f"attributes.status = '{status}'"]
    return list(client.search_runs([experiment_id], " and ".join(wanted)))


TRAINED_UNTIL = "trained_until"
SOURCE_FOLDER = "source"
