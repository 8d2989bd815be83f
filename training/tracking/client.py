"""The client of MLflow, as far as a retraining uses it: runs, models in skops files, versions and their aliases."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.errors import ConfigurationError, DataError, TrackingError
from cyclone.image_contract import MODEL_FILE
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.tracking.packages import find_packages
from training.tracking.trusted_types import list_trusted

if TYPE_CHECKING:
    import requests

CHAMPION = "champion"
CHALLENGER = "challenger"
HTTP = ("http://", "https://")
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""The error codes with which MLflow says that a model or an alias does not exist."""
QUIET = {
    "GIT_PYTHON_REFRESH": "quiet",  # a machine without git is no news
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
# How long one request may wait for its answer. An alias is one row of a database, and a busy server needs seconds.
REQUEST_SECONDS = 10
# Three attempts of 3 s and the pauses between them end well within half a minute. A person may be waiting.
CONNECT_SECONDS = 3
CONNECT_RETRIES = 2


@dataclass(frozen=True)
class StoredModel:
    """A fitted estimator as MLflow keeps it: a skops file, and the types that may be in it."""

    path: Path
    trusted_types: list[str]

    def find_packages(self) -> list[str]:
        """What has to be installed for the file beyond the packages of every image. Nothing of the file is run."""
        import skops.io

        return find_packages(skops.io.get_untrusted_types(file=self.path))

    def load(self) -> Any:
        """The estimator. Errors: `DataError` when the file holds a type that is not trusted."""
        import skops.io

        try:
            return skops.io.load(self.path, trusted=self.trusted_types)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{self.path}: the estimator cannot be loaded. The file is damaged, or holds a type that model.yaml"
                f" does not list under trusted_types. Remove {self.path.parent} to download it again: {error}"
            ) from error


def connect(settings: Settings) -> Any:
    """An `MlflowClient`. From here on the functions of the module `mlflow` use the same server.

    Errors: `ConfigurationError` when no server is configured.
    """
    if not settings.mlflow_uri:
        raise ConfigurationError(
            "MLFLOW_TRACKING_URI is empty. Set it to the address of the MLflow server, as http://host:5000"
        )
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow

    logging.getLogger("alembic").setLevel(logging.WARNING)
    mlflow.set_tracking_uri(settings.mlflow_uri)
    return mlflow.MlflowClient(settings.mlflow_uri)


def require_answer(settings: Settings) -> None:
    """Check that the MLflow server answers. An address that is not over HTTP, as that of a file, is not asked.

    MLflow's own client asks an absent server for more than four minutes. This check spares a person that wait.
    Errors: `TrackingError` after at most half a minute without an answer.
    """
    if settings.mlflow_uri.startswith(HTTP):
        request_server(settings, "GET", "/health")


def request_server(settings: Settings, method: str, path: str, **content: Any) -> "requests.Response":
    """The answer to one HTTP request to MLflow, made with MLflow's credentials.

    `content` is passed to `requests`. Errors: `TrackingError` after at most half a minute without an answer.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    again = Retry(total=None, connect=CONNECT_RETRIES, read=False, backoff_factor=1)
    with requests.Session() as session:
        for scheme in HTTP:
            session.mount(scheme, HTTPAdapter(max_retries=again))
        try:
            return session.request(
                method,
                settings.mlflow_uri.rstrip("/") + path,
                headers={"Authorization": f"Bearer {token}"} if token else {},
                auth=(user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if user else None,
                timeout=(CONNECT_SECONDS, REQUEST_SECONDS),
                **content,
            )
        except requests.RequestException as error:
            raise TrackingError(
                f"MLflow at {settings.mlflow_uri} does not answer: {_find_cause(error)}. Start it, or set"
                " MLFLOW_TRACKING_URI to another server"
            ) from error


def _find_cause(error: BaseException) -> BaseException:
    """The innermost error, which is what the operating system said."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


def find_version(client: Any, model: str, alias: str) -> Any | None:
    """The registered version that an alias names, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(model, alias)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise


def fetch_model(settings: Settings, spec: ModelSpec, source: str, folder: Path) -> StoredModel:
    """Download a logged model into `folder`. `source` is an address as `models:/…` or `runs:/…`.

    `spec` is the model.yaml of the models' folder, which says what types the file may hold.
    """
    connect(settings)  # the functions below ask the server that any code of this process named last
    import mlflow

    folder.mkdir(parents=True, exist_ok=True)
    local = Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(folder)))
    return StoredModel(local / MODEL_FILE, list_trusted(spec))
