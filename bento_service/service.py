"""The BentoML service of one model: predictions, labels, health, metrics and a typed OpenAPI page."""

import asyncio
import gc
import logging
import time
import traceback
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from pydantic_core import to_json
from starlette.responses import Response

from bento_service.batching import Batcher
from bento_service.bearer import BearerKeys, publish_keys
from bento_service.body import RawBody, publish_as
from bento_service.bundle import Bundle, read_bundle
from bento_service.ids import PredictionIds
from bento_service.labels import store_labels
from bento_service.prediction import Prediction, build_probe_row, predict_rows
from bento_service.prediction_log import PredictionLog
from bento_service.request import (
    PredictRequest,
    RequestError,
    read_event_time,
    read_label_request,
    read_predict_request,
)
from bento_service.schemas import LabelAnswer, build_label_body, build_predict_answer, build_predict_body
from bento_service.spool_folder import Instance, claim_base
from bento_service.spooled_rows import LogRow
from cyclone.errors import StoreError
from cyclone.keys import KeyRing
from cyclone.settings import read_settings
from cyclone.store import Store

DRAIN_SECONDS = 8
"""Cloud Run kills ten seconds after SIGTERM."""
BUNDLE = read_bundle()
SPEC = BUNDLE.spec
logger = logging.getLogger("bentoml.prediction_service")


class LeanService(bentoml.Service):  # type: ignore[misc]  # BentoML is not typed
    """A service without the middleware of BentoML that costs about as much as a small model's answer.

    The timer of each request keeps its memory for a minute, and Cloud Run times requests itself; requests are
    counted by `metrics`; spans are made only where the configuration of BentoML says who collects them.
    """

    def to_asgi(self, is_main: bool = True) -> Any:
        app = super().to_asgi(is_main)
        dropped = {"TimeoutMiddleware", "RunnerTrafficMetricsMiddleware"}
        if not BentoMLContainer.tracing.exporter_type.get():
            dropped.add("OpenTelemetryMiddleware")
        app.user_middleware = [item for item in app.user_middleware if item.cls.__name__ not in dropped]
        return app

    @property
    def openapi_spec(self) -> Any:
        page = super().openapi_spec
        if read_settings().api_keys_file:
            publish_keys(page)
        return page


@bentoml.service(
    service_class=LeanService,
    description=SPEC.description,
    logging={"access": {"enabled": False}},
)
class PredictionService:
    """Predicts rows, takes labels, and logs every answered row."""

    def __init__(self) -> None:
        settings = read_settings()
        self.store = Store(settings.store_dsn)
        self.ids = PredictionIds()
        base = claim_base(settings.spool_dir, SPEC.name, self.store.dsn, bentoml.server_context.worker_index or 1)
        self.estimator = BUNDLE.load_estimator()
        self.calibration = BUNDLE.read_calibration()
        self.batcher = Batcher(partial(predict_rows, SPEC, self.estimator, calibration=self.calibration))
        self.log = PredictionLog(
            self.store.dsn,
            _describe_instance(BUNDLE),
            base,
            SPEC.serving.spool_mb * 1024 * 1024,
            is_committed=SPEC.serving.durability == "committed",
        )
        self.newest_event: datetime | None = None

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    def start(self) -> None:
        predict_rows(
            SPEC, self.estimator, [build_probe_row(SPEC)], self.calibration
        )  # or the first client pays for lazy imports
        self.log.start()
        gc.collect()
        gc.freeze()  # else each full collection walks the whole start-up heap, within somebody's request

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        await asyncio.to_thread(self.log.close, DRAIN_SECONDS)

    @bentoml.api(input_spec=publish_as(build_predict_body(SPEC)), output_spec=build_predict_answer(SPEC))  # type: ignore[untyped-decorator]
    async def predict(self, body: RawBody, /) -> Response:
        """Predict one or more rows and log them. A bad row refuses the request: `details` name each one's row,
        feature, value and what is allowed."""
        started, now = time.perf_counter(), datetime.now(UTC)
        try:
            request = read_predict_request(SPEC, body.content, now)
            predictions = await self.batcher.predict(request.rows)
        except RequestError as refusal:
            self._count(body, self._find_event_time(body, now), refusal.status, started)
            return _answer(refusal.to_json(), refusal.status)
        except Exception as error:
            _log_failure(error)
            self._count(body, self._find_event_time(body, now), 500, started)
            return _answer({"error": f"{SPEC.name} could not answer these rows", "details": []}, 500)
        response, sequence = self._log_and_answer(request, predictions, started, now, is_logged=not body.is_rehearsal)
        if SPEC.serving.durability == "committed":
            await self.log.wait_until_stored(sequence)
        self._count(body, request.created_at[0] if request.created_at else now, 200, started)
        return response

    @bentoml.api(input_spec=publish_as(build_label_body(SPEC)), output_spec=LabelAnswer)  # type: ignore[untyped-decorator]
    async def labels(self, body: RawBody, /) -> Response:
        """Keep what turned out to be true, before or after its prediction is stored; the newest counts."""
        now = datetime.now(UTC)
        try:
            labels = read_label_request(SPEC, body.content, now)
            counts = await asyncio.to_thread(store_labels, self.store, SPEC.name, labels, now)
        except RequestError as refusal:
            return _answer(refusal.to_json(), refusal.status)
        except StoreError as error:
            logger.warning("labels refused: %s", error)
            words = "the evaluation store does not answer: no label was kept, send them again"
            return _answer({"error": words, "details": []}, 503)
        except Exception as error:
            _log_failure(error)
            return _answer({"error": "the labels could not be stored: none was kept", "details": []}, 500)
        return _answer(counts)

    def _log_and_answer(
        self, request: PredictRequest, predictions: list[Prediction], started: float, now: datetime, is_logged: bool
    ) -> tuple[Response, int | None]:
        ids = request.ids or [self.ids.make() for _ in request.rows]
        times = request.created_at or [now] * len(ids)
        items = [{"id": id_, "prediction": value} for id_, value in zip(ids, predictions, strict=True)]
        answer = {"model": SPEC.name, "version": BUNDLE.version, "revision": BUNDLE.revision, "predictions": items}
        response = _answer(answer)
        if not is_logged:
            return response, None
        latency_ms = (time.perf_counter() - started) * 1000
        sequence = self.log.hand_over(
            [
                LogRow(id_, at, latency_ms, to_json(row).decode(), to_json(value).decode())
                for id_, at, row, value in zip(ids, times, request.rows, predictions, strict=True)
            ]
        )
        self.newest_event = times[-1]
        return response, sequence

    def _find_event_time(self, body: RawBody, now: datetime) -> datetime:
        """When a request without an answer happened: in a replay that is not now."""
        try:
            told = read_event_time(SPEC, body.content, now)
        except RequestError:
            told = None
        return told or (self.newest_event if SPEC.serving.accept_created_at else None) or now

    def _count(self, body: RawBody, at: datetime, status: int, started: float) -> None:
        if not body.is_rehearsal:
            self.log.count_request(at, status, (time.perf_counter() - started) * 1000)


if keys_file := read_settings().api_keys_file:
    PredictionService.add_asgi_middleware(BearerKeys, keys=KeyRing(keys_file))  # type: ignore[attr-defined]


def _describe_instance(bundle: Bundle) -> Instance:
    return Instance(
        instance_id=f"{bundle.revision}-{uuid.uuid4().hex}",
        model=bundle.spec.name,
        version=bundle.version,
        revision=bundle.revision,
        started_at=datetime.now(UTC),
    )


def _answer(content: Any, status: int = 200) -> Response:
    return Response(to_json(content), status, media_type="application/json")


def _log_failure(error: Exception) -> None:
    """Where it failed, without the error's message: that may quote a row's values."""
    places = "".join(traceback.format_tb(error.__traceback__))
    logger.error("the request failed with %s at\n%s", type(error).__name__, places)
