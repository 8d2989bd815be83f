"""The prediction log for a model in any container: a proxy beside it, with the service's contract and ledger.

`python -m bento_service.logging_proxy` listens on PORT and asks CYCLONE_PROXY_TARGET (an URL) for the predictions of
CYCLONE_MODEL in its version CYCLONE_MODEL_VERSION: POST `{"rows": [{feature: value, …}, …]}`, answered with
`{"predictions": [value, …]}`, a number a row, or for a multiclass model an object class → probability.
"""

import asyncio
import gc
import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import from_json, to_json
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bento_service.answers import DRAIN_SECONDS, answer, fail, log_failure, refuse
from bento_service.bearer import BearerKeys
from bento_service.content import read_content
from bento_service.ids import PredictionIds
from bento_service.labels import answer_labels
from bento_service.prediction_log import PredictionLog
from bento_service.rehearsal import is_rehearsal
from bento_service.request import PredictRequest, RequestError, read_predict_request
from bento_service.spool_folder import Instance, claim_base
from bento_service.spooled_rows import LogRow
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
from cyclone.store import Store

ANSWER_SECONDS = 60.0
logger = logging.getLogger("bentoml.logging_proxy")


class TargetError(Exception):
    """The container did not answer, or not with the predictions of these rows."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the container behind the proxy serves."""

    spec: ModelSpec
    version: int
    revision: str
    target: str


def read_served(settings: Settings, variables: Mapping[str, str]) -> Served:
    """From the environment. Errors: `ConfigurationError` naming the variable."""
    names = (MODEL_VARIABLE, MODEL_VERSION_VARIABLE, PROXY_TARGET_VARIABLE)
    model, version, target = (variables.get(name, "") for name in names)
    for name, value in zip(names, (model, version, target), strict=True):
        if not value:
            raise ConfigurationError(f"{name} is empty; the logging proxy needs {', '.join(names)}")
    if not version.isdecimal() or int(version) < 1:
        raise ConfigurationError(f"{MODEL_VERSION_VARIABLE}={version!r}: a positive integer is needed")
    if not target.startswith(("http://", "https://")):
        raise ConfigurationError(f"{PROXY_TARGET_VARIABLE}={target!r}: an http or https URL is needed")
    spec = find_model(settings.models_dir, model)
    revision = variables.get(REVISION_VARIABLE) or f"{spec.service_name}-v{version}"
    return Served(spec, int(version), revision, target)


def check_predictions(spec: ModelSpec, answer: Any, count: int) -> list[Any]:
    """The answer's predictions, one a row. Errors: `TargetError` saying what is needed instead."""
    predictions = answer.get("predictions") if isinstance(answer, dict) else None
    if not isinstance(predictions, list) or len(predictions) != count:
        raise TargetError(f"no list of {count} predictions")
    is_sound = all(map(_is_scores if spec.task == "multiclass" else _is_number, predictions))
    if not is_sound:
        raise TargetError(f"predictions that are not those of a {spec.task}")
    return predictions


class LoggingProxy:
    """Checks rows, has them answered, logs them before the answer leaves."""

    def __init__(self, served: Served, settings: Settings) -> None:
        self.served = served
        self.spec = served.spec
        self.store = Store(settings.store_dsn)
        self.ids = PredictionIds()
        self.log = PredictionLog(
            self.store.dsn,
            Instance.begin(self.spec.name, served.version, served.revision),
            claim_base(settings.spool_dir, self.spec.name, self.store.dsn, worker=1),
            self.spec.serving.spool_mb * 1024 * 1024,
            is_committed=self.spec.serving.durability == "committed",
        )
        self.client: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def run(self, app: Starlette) -> AsyncIterator[None]:
        """Start with the application, send what waits at its end."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as self.client:
            self.log.start()
            gc.collect()
            gc.freeze()
            yield
        await asyncio.to_thread(self.log.close, DRAIN_SECONDS)

    async def predict(self, http_request: Request) -> Response:
        started, now = time.perf_counter(), datetime.now(UTC)
        at, status, is_logged = now, 200, not is_rehearsal(http_request.headers)
        try:
            request = read_predict_request(self.spec, await read_content(http_request), now)
            at = request.created_at[0] if request.created_at else now
            predictions = await self._ask_target(request)
            response = await self._log_and_answer(request, predictions, started, now, is_logged)
        except RequestError as refusal:
            status, response = refusal.status, refuse(refusal)
        except TargetError as error:
            logger.error("the container at %s answered %s", self.served.target, error)
            status, response = 502, fail(f"{self.spec.name} could not answer these rows", 502)
        except Exception as error:
            log_failure(logger, error)
            status, response = 500, fail(f"{self.spec.name} could not answer these rows", 500)
        if is_logged:
            self.log.count_request(at, status, (time.perf_counter() - started) * 1000)
        return response

    async def labels(self, http_request: Request) -> Response:
        now = datetime.now(UTC)
        try:
            return await answer_labels(self.store, self.spec, await read_content(http_request), now)
        except RequestError as refusal:
            return refuse(refusal)

    async def _ask_target(self, request: PredictRequest) -> list[Any]:
        if self.client is None:
            raise TargetError("nothing: the proxy is not started")
        headers = {"Content-Type": "application/json"}
        try:
            async with self.client.post(
                self.served.target, data=to_json({"rows": request.rows}), headers=headers
            ) as response:
                content = await response.read()
                if response.status != 200:
                    raise TargetError(f"status {response.status}")
            return check_predictions(self.spec, from_json(content), len(request.rows))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise TargetError(type(error).__name__) from error

    async def _log_and_answer(
        self, request: PredictRequest, predictions: list[Any], started: float, now: datetime, is_logged: bool
    ) -> Response:
        ids = request.ids or [self.ids.make() for _ in request.rows]
        served = self.served
        items = [{"id": id_, "prediction": value} for id_, value in zip(ids, predictions, strict=True)]
        response = answer(
            {"model": self.spec.name, "version": served.version, "revision": served.revision, "predictions": items}
        )
        if not is_logged:
            return response
        times = request.created_at or [now] * len(ids)
        latency_ms = (time.perf_counter() - started) * 1000
        sequence = self.log.hand_over(
            [
                LogRow(id_, at, latency_ms, to_json(row).decode(), to_json(value).decode())
                for id_, at, row, value in zip(ids, times, request.rows, predictions, strict=True)
            ]
        )
        if self.spec.serving.durability == "committed":
            await self.log.wait_until_stored(sequence)
        return response


def build_app(served: Served, settings: Settings) -> Starlette:
    """The proxy as an ASGI application."""
    proxy = LoggingProxy(served, settings)
    keys = find_source(settings)
    return Starlette(
        routes=[
            Route("/predict", proxy.predict, methods=["POST"]),
            Route("/labels", proxy.labels, methods=["POST"]),
            Route("/healthz", _tell_health),
            Route("/readyz", _tell_health),
            Route("/metrics", _tell_metrics),
        ],
        middleware=[Middleware(BearerKeys, keys=KeyRing(keys))] if keys is not None else [],
        lifespan=proxy.run,
    )


def main() -> None:
    """Serve on HOST (127.0.0.1 unless told) and PORT (8080) until SIGTERM."""
    import uvicorn

    settings = read_settings()
    app = build_app(read_served(settings, os.environ), settings)
    host, port = os.environ.get(HOST_VARIABLE, "127.0.0.1"), int(os.environ.get(PORT_VARIABLE, "8080"))
    uvicorn.run(app, host=host, port=port, access_log=False)


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
