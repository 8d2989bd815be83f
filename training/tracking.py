"""MLflow, as far as a retraining uses it: runs, models in skops files, versions and their aliases."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclone.errors import ConfigurationError, DataError
from cyclone.settings import Settings

CHAMPION = "champion"
CHALLENGER = "challenger"
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's codes for a model or an alias that is not there."""
MODEL_FILE = "model.skops"
QUIET = {
    "GIT_PYTHON_REFRESH": "quiet",  # a machine without git is no news
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@dataclass(frozen=True)
class StoredModel:
    """A fitted estimator as MLflow keeps it: a skops file and the types that training said may be in it."""

    path: Path
    trusted_types: list[str]

    def load(self) -> Any:
        """The estimator. Errors: `DataError` when the file holds a type that training did not list."""
        import skops.io

        try:
            return skops.io.load(self.path, trusted=self.trusted_types)
        except (TypeError, ValueError) as error:
            raise DataError(f"{self.path}: the estimator cannot be loaded: {error}") from error


def connect(settings: Settings) -> Any:
    """An `MlflowClient`; the fluent functions of `mlflow` use the same server from here on."""
    if not settings.mlflow_uri:
        raise ConfigurationError("MLFLOW_TRACKING_URI is empty; it names the MLflow server, e.g. http://host:5000")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow

    logging.getLogger("alembic").setLevel(logging.WARNING)
    mlflow.set_tracking_uri(settings.mlflow_uri)
    return mlflow.MlflowClient(settings.mlflow_uri)


def find_version(client: Any, model: str, alias: str) -> Any | None:
    """The registered version behind an alias; None when there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(model, alias)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise


def fetch_model(settings: Settings, source: str, folder: Path) -> StoredModel:
    """Download a logged model (`models:/…` or `runs:/…`) into `folder`."""
    connect(settings)  # the functions below ask the server that was named last, whoever named it
    import mlflow
    from mlflow.models import Model

    folder.mkdir(parents=True, exist_ok=True)
    local = Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(folder)))
    flavour = Model.load(str(local)).flavors["sklearn"]
    return StoredModel(local / MODEL_FILE, list(flavour.get("skops_trusted_types") or []))
