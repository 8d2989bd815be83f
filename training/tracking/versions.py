"""A registered version as it was trained: its estimator, and the features that it was fitted on.

Today's model.yaml may have other features. The version's image holds the model.yaml of its training, so predicting with
the version elsewhere has to follow that one too.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cyclone.image_contract import SPEC_FILE
from cyclone.names import name_tag
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.tracking.client import StoredModel, connect, fetch_model
from training.tracking.runs import SOURCE_FOLDER, TRAINED_UNTIL
from training.tracking.trusted_types import list_trusted

if TYPE_CHECKING:
    import pandas as pd

OWN_KEYS = ("name", "task", "features", "inputs", "label")
"""The keys of model.yaml that an estimator is fitted by. All others are policy, and those of today count."""


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


def fetch_version(settings: Settings, spec: ModelSpec, number: int) -> TrainedVersion:
    """A registered version of the model. It is downloaded from MLflow once and then kept in `work_dir`."""
    folder = settings.work_dir / "versions" / spec.name / name_tag(number)
    source, note = folder / SPEC_FILE, folder / "version.json"
    if not note.is_file() or not source.is_file():
        client = connect(settings)
        run_id = client.get_model_version(spec.name, str(number)).run_id
        params = client.get_run(run_id).data.params
        stored = fetch_model(settings, spec, f"models:/{spec.name}/{number}", folder)
        fetch_model_yaml(settings, run_id, folder).replace(source)
        content = {
            "path": str(stored.path),
            # Without the param the version was trained on the whole dataset.
            "trained_until": params.get(TRAINED_UNTIL, params["last_created_at"]),
        }
        note.write_text(json.dumps(content))
    known: dict[str, Any] = json.loads(note.read_text())
    return TrainedVersion(
        number,
        spec=replace_features(spec, source),
        stored=StoredModel(Path(known["path"]), list_trusted(spec)),
        trained_until=datetime.fromisoformat(known["trained_until"]),
    )


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
