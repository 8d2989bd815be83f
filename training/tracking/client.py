"""MLflow, as far as a retraining uses it: runs, models in skops files, versions and their aliases."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.errors import ConfigurationError, DataError, TrackingError
from cyclone.image_contract import MODEL_FILE
from cyclone.settings import Settings

if TYPE_CHECKING:
    import requests

CHAMPION = "champion"
CHALLENGER = "challenger"
HTTP = ("http://", "https://")
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's codes for a model or an alias that is not there."""
QUIET = {
    "GIT_PYTHON_REFRESH": "quiet",  # a machine without git is no news
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
REQUEST_SECONDS = 10
CONNECT_SECONDS = 3
CONNECT_RETRIES = 2


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


def require_answer(settings: Settings) -> None:
    """Before a person waits for MLflow's client, which asks a server that is away for more than four minutes.

    Errors: `TrackingError`. An address that is not over HTTP, as that of a file, is not asked.
    """
    if settings.mlflow_uri.startswith(HTTP):
        request_server(settings, "GET", "/health")


def request_server(settings: Settings, method: str, path: str, **content: Any) -> "requests.Response":
    """One request over HTTP with MLflow's credentials. `content`: as `requests` takes it.

    Errors: `TrackingError` after at most half a minute without an answer.
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
                f"MLflow at {settings.mlflow_uri} does not answer ({_find_cause(error)}): start it, or let"
                " MLFLOW_TRACKING_URI name another"
            ) from error


def _find_cause(error: BaseException) -> BaseException:
    """What the operating system said, under the layers of the client."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


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
