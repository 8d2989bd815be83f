"""The prediction log for a model in any container: a proxy beside it, with the service's contract and ledger.

`python -m bento_service.logging_proxy` listens on PORT. It asks the URL in CYCLONE_PROXY_TARGET for the predictions of
the model CYCLONE_MODEL in its version CYCLONE_MODEL_VERSION. The request is a POST of
`{"rows": [{feature: value, …}, …]}`. The answer is `{"predictions": [value, …]}`, with one value for each row. A value
is a number. For a multiclass model it is an object that maps each class to its probability.
"""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import from_json, to_json
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bento_service.answering import Answering, UnansweredError
from bento_service.answers import answer
from bento_service.bearer import BearerKeys
from bento_service.content import receive_body
from bento_service.ending import FINISH_SECONDS
from bento_service.request import open_to_replay
from cyclone.errors import ConfigurationError
from cyclone.image_contract import (
    HOST_VARIABLE,
    MODEL_VARIABLE,
    MODEL_VERSION_VARIABLE,
    PORT_VARIABLE,
    PROXY_TARGET_VARIABLE,
    REVISION_VARIABLE,
)
from cyclone.keys import KeyRing, find_source
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model

ANSWER_SECONDS = 60.0
"""The time that the container may take for its predictions. The value is a choice: no measurement stands behind it."""


@dataclass(frozen=True, slots=True)
class Served:
    """The model and version that the container behind the proxy serves, and the URL to ask it at."""

    spec: ModelSpec
    version: int
    revision: str
    target: str


def read_served(settings: Settings, variables: Mapping[str, str]) -> Served:
    """What is served, from environment variables. Errors: `ConfigurationError` with the variable and its value."""
    names = (MODEL_VARIABLE, MODEL_VERSION_VARIABLE, PROXY_TARGET_VARIABLE)
    model, version, target = (variables.get(name, "") for name in names)
    for name, value in zip(names, (model, version, target), strict=True):
        if not value:
            raise ConfigurationError(f"{name} is empty. Set {', '.join(names)} for the logging proxy")
    if not version.isdecimal() or int(version) < 1:
        raise ConfigurationError(f"{MODEL_VERSION_VARIABLE}={version!r}: a positive integer is needed")
    if not target.startswith(("http://", "https://")):
        raise ConfigurationError(f"{PROXY_TARGET_VARIABLE}={target!r}: an http or https URL is needed")
    spec = open_to_replay(find_model(settings.models_dir, model), settings)
    revision = variables.get(REVISION_VARIABLE) or f"{spec.service_name}-v{version}"
    return Served(spec, int(version), revision, target)


def check_predictions(spec: ModelSpec, answered: Any, count: int) -> list[Any]:
    """The predictions in a container's answer, one for each row.

    Errors: `UnansweredError` with what was answered instead.
    """
    predictions = answered.get("predictions") if isinstance(answered, dict) else None
    if not isinstance(predictions, list) or len(predictions) != count:
        raise UnansweredError(f"no list of {count} predictions")
    is_sound = all(map(_is_scores if spec.task == "multiclass" else _is_number, predictions))
    if not is_sound:
        raise UnansweredError(f"predictions that are not those of a {spec.task}")
    return predictions


class Target:
    """The client of the container that predicts."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._client: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[None]:
        """Keep connections to the container open within a `with` block."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as self._client:
            yield

    async def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The container's predictions, one for each row. Errors: `UnansweredError` with what it answered instead."""
        try:
            return check_predictions(self._served.spec, await self._ask(rows), len(rows))
        except UnansweredError as error:
            raise UnansweredError(f"the container at {self._served.target} answered {error}") from error

    async def _ask(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        if self._client is None:
            raise UnansweredError("nothing: the proxy is not started")
        content, headers = to_json({"rows": rows}), {"Content-Type": "application/json"}
        try:
            async with self._client.post(self._served.target, data=content, headers=headers) as response:
                content = await response.read()
                if response.status != 200:
                    raise UnansweredError(f"status {response.status}")
            return from_json(content)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UnansweredError(type(error).__name__) from error


def build_app(served: Served, settings: Settings) -> Starlette:
    """The proxy as an ASGI application. Errors: `ConfigurationError` when the spool's folder cannot be used."""
    target = Target(served)
    answering = Answering.begin(served.spec, served.version, served.revision, settings, 1, target.predict)

    @asynccontextmanager
    async def run(_: Starlette) -> AsyncIterator[None]:
        async with target.connect():
            answering.start()
            yield
        await answering.stop()

    async def predict(request: Request) -> Response:
        return await answering.predict(await receive_body(request))

    async def labels(request: Request) -> Response:
        return await answering.label(await receive_body(request))

    keys = find_source(settings)
    return Starlette(
        routes=[
            Route("/predict", predict, methods=["POST"]),
            Route("/labels", labels, methods=["POST"]),
            Route("/healthz", _tell_health),
            Route("/readyz", _tell_health),
            Route("/metrics", _tell_metrics),
        ],
        middleware=[Middleware(BearerKeys, keys=KeyRing(keys))] if keys is not None else [],
        lifespan=run,
    )


def main() -> None:
    """Serve until SIGTERM. The address is HOST, by default 127.0.0.1, and PORT, by default 8080."""
    import uvicorn

    settings = read_settings()
    app = build_app(read_served(settings, os.environ), settings)
    host, port = os.environ.get(HOST_VARIABLE, "127.0.0.1"), int(os.environ.get(PORT_VARIABLE, "8080"))
    uvicorn.run(app, host=host, port=port, access_log=False, timeout_graceful_shutdown=FINISH_SECONDS)


async def _tell_health(_: Request) -> Response:
    return answer({"status": "ok"})


async def _tell_metrics(_: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _is_scores(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(_is_number, value.values()))


if __name__ == "__main__":
    main()
