"""The aliases of a registered model in MLflow: reading, setting and dropping them.

MLflow's REST API is asked directly. MLflow's own client takes seconds to import, and a roll-back would wait for that.
The client is used if the direct way fails: with another kind of tracking URI or credentials, or when the server
refuses.
Errors: a server that does not answer or that refuses is a `TrackingError`, as for a version that was deleted there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cyclone.errors import TrackingError
from cyclone.settings import Settings
from training.tracking.client import HTTP, MISSING, connect, find_version, request_server

PATH = "/api/2.0/mlflow/registered-models/alias"


def find_alias(settings: Settings, model: str, alias: str) -> int | None:
    """The version that an alias names, or None when there is no such alias."""
    is_done, body = _ask(settings, "GET", name=model, alias=alias)
    if is_done:
        return int(body["model_version"]["version"])
    if body.get("error_code") in MISSING:
        return None
    with _told(settings, f"say what {model}'s alias {alias} names"):
        found = find_version(connect(settings), model, alias)
    return None if found is None else int(found.version)


def set_alias(settings: Settings, model: str, alias: str, version: int) -> None:
    """Let an alias name a version. Nothing is done if it names that version already."""
    if find_alias(settings, model, alias) == version:
        return
    is_done, _ = _ask(settings, "POST", name=model, alias=alias, version=str(version))
    if not is_done:
        with _told(settings, f"let {model}'s alias {alias} name version {version}"):
            connect(settings).set_registered_model_alias(model, alias, str(version))


def drop_alias(settings: Settings, model: str, alias: str, version: int) -> None:
    """Remove an alias if it names `version`. An alias that names another version stays."""
    if find_alias(settings, model, alias) != version:
        return
    is_done, _ = _ask(settings, "DELETE", name=model, alias=alias)
    if not is_done:
        with _told(settings, f"drop {model}'s alias {alias}"):
            connect(settings).delete_registered_model_alias(model, alias)


@contextmanager
def _told(settings: Settings, what: str) -> Iterator[None]:
    """Tell a refusal of MLflow's client with what it was asked for."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise TrackingError(
            f"MLflow at {settings.mlflow_uri} cannot {what}: {error}. Nothing is decided by an alias. If the model or"
            " the version was deleted or renamed there, restore it"
        ) from error


def _ask(settings: Settings, method: str, **fields: str) -> tuple[bool, dict[str, Any]]:
    """Whether the server did what was asked, and its answer. The answer is empty if it cannot be asked this way."""
    if not settings.mlflow_uri.startswith(HTTP):
        return False, {}
    content = {"params" if method == "GET" else "json": fields}
    reply = request_server(settings, method, PATH, **content)
    try:
        return reply.ok, reply.json()
    except ValueError:  # no JSON: a proxy in between answered with a page of its own
        return False, {}
