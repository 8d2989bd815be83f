"""A registered version as it was trained: its estimator, and the features that it was fitted on.

Today's model.yaml may have other features. The version's image holds the model.yaml of its training, so predicting with
the version elsewhere has to follow that one too.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cyclone.errors import TrackingError
from cyclone.image_contract import SPEC_FILE
from cyclone.names import name_tag
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from training.tracking.client import StoredModel, connect, fetch_model
from training.tracking.runs import SOURCE_FOLDER, TRAINED_UNTIL
from training.tracking.trusted_types import list_trusted

if TYPE_CHECKING:
    import pandas as pd

OWN_KEYS = ("name", "task", "features", "inputs", "label")
"""The keys of model.yaml that an estimator is fitted by. All others are policy, and those of today count."""
_REMEDY = "Restore MLflow's database and artifacts, or return to a version that it holds with `cyclone rollback`"


@dataclass(frozen=True)
class TrainedVersion:
    """A registered version with its estimator.

    `spec` is today's policy with the features, inputs and label of the version's own training.
    """

    number: int
    spec: ModelSpec
    stored: StoredModel
    trained_until: datetime
    """The creation time of the newest row that the version was trained on."""

    @cached_property
    def estimator(self) -> Any:
        """The fitted estimator, loaded once. Errors: `DataError` when its file holds a type that is not trusted."""
        return self.stored.load()


def fetch_version(settings: Settings, spec: ModelSpec, number: int) -> TrainedVersion:
    """A registered version of the model. It is downloaded from MLflow once and then kept in `work_dir`.

    A kept copy counts only if it is of the MLflow run that the store names.
    Errors: `TrackingError` when MLflow does not hold the version, or holds another one under its number.
    """
    folder = settings.work_dir / "versions" / spec.name / name_tag(number)
    source, note = folder / SPEC_FILE, folder / "version.json"
    run_id = read_run(settings, spec.name, number) or find_training_run(settings, spec.name, number)
    known: dict[str, Any] = json.loads(note.read_text()) if note.is_file() and source.is_file() else {}
    if known.get("mlflow_run_id") != run_id:
        known = _download(settings, spec, number, folder)
        note.write_text(json.dumps(known))
    return TrainedVersion(
        number,
        spec=replace_features(spec, source),
        stored=StoredModel(Path(known["path"]), list_trusted(spec)),
        trained_until=datetime.fromisoformat(known["trained_until"]),
    )


def find_training_run(settings: Settings, model: str, number: int) -> str:
    """The MLflow run that trained a registered version.

    Errors: `TrackingError` when MLflow has no such version, or another run under its number than the store knows.
    """
    client = connect(settings)
    from mlflow.exceptions import MlflowException

    known = read_run(settings, model, number)
    try:
        found = str(client.get_model_version(model, str(number)).run_id)
    except MlflowException as error:
        raise TrackingError(
            f"{model}: MLflow at {settings.mlflow_uri} has no version {number}: {error.message}. {_REMEDY}"
        ) from error
    if known not in (None, found):
        raise TrackingError(
            f"{model}: version {number} in MLflow at {settings.mlflow_uri} is of run {found}, and the store knows it"
            f" as of run {known}. Was MLflow set up anew? {_REMEDY}"
        )
    return found


def read_run(settings: Settings, model: str, number: int) -> str | None:
    """The MLflow run of a version by its reference profile. None for a version without a profile."""
    row = Store(settings.store_dsn).fetch_one("lineage/version", model=model, version=number)
    return str(row["mlflow_run_id"]) if row else None


def _download(settings: Settings, spec: ModelSpec, number: int, folder: Path) -> dict[str, Any]:
    """Download a version's model and its model.yaml into a folder. What is returned describes them.

    Errors: `TrackingError` when they are not in MLflow any more.
    """
    run_id = find_training_run(settings, spec.name, number)
    from mlflow.exceptions import MlflowException

    try:
        params = connect(settings).get_run(run_id).data.params
        stored = fetch_model(settings, spec, f"models:/{spec.name}/{number}", folder)
        fetch_model_yaml(settings, run_id, folder).replace(folder / SPEC_FILE)
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"{spec.name}: version {number} cannot be loaded from MLflow at {settings.mlflow_uri}: {error}. {_REMEDY}"
        ) from error
    return {
        "mlflow_run_id": run_id,
        "path": str(stored.path),
        # Without the param the version was trained on the whole dataset.
        "trained_until": params.get(TRAINED_UNTIL, params["last_created_at"]),
    }


def fetch_model_yaml(settings: Settings, mlflow_run_id: str, folder: Path) -> Path:
    """Download the model.yaml that an MLflow run was trained with, and return its path."""
    connect(settings)
    import mlflow

    folder.mkdir(parents=True, exist_ok=True)
    path = f"{SOURCE_FOLDER}/{SPEC_FILE}"
    return Path(mlflow.artifacts.download_artifacts(run_id=mlflow_run_id, artifact_path=path, dst_path=str(folder)))


def replace_features(spec: ModelSpec, source: Path) -> ModelSpec:
    """The spec with the task, features, inputs and label of the model.yaml at `source`.

    Only the label's `expected_delay_hours` stays that of today.
    """
    content = yaml.safe_load(source.read_text())  # not all of it is validated: an old policy may be refused today
    own = ModelSpec.model_validate({key: content[key] for key in OWN_KEYS})
    label = own.label.model_copy(update={"expected_delay_hours": spec.label.expected_delay_hours})
    return spec.model_copy(update={"task": own.task, "features": own.features, "inputs": own.inputs, "label": label})


def keep_answerable(spec: ModelSpec, frame: "pd.DataFrame") -> "pd.DataFrame":
    """The rows whose categories and label the spec knows. A service with this spec refuses all other rows."""
    allowed = {feature.name: feature.values for feature in spec.features}
    for name, values in {**allowed, "label": spec.label.values}.items():
        if values is not None:
            frame = frame[frame[name].isin(values) | frame[name].isna()]
    return frame.reset_index(drop=True)
