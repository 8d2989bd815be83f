"""The BentoML service of one model: predictions, labels, health, metrics and a typed OpenAPI page."""

import asyncio
import gc
import logging
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from pydantic_core import to_json
from starlette.responses import Response

from bento_service.answers import DRAIN_SECONDS, answer, fail, log_failure, refuse
from bento_service.batching import Batcher
from bento_service.bearer import SCOPES, BearerKeys, publish_keys
from bento_service.body import RawBody, publish_as
from bento_service.bundle import read_bundle
from bento_service.ids import PredictionIds
from bento_service.labels import answer_labels
from bento_service.page import build_page, head_openapi, show_page
from bento_service.prediction import Prediction, build_probe_row, predict_rows
from bento_service.prediction_log import PredictionLog
from bento_service.request import (
    PredictRequest,
    RequestError,
    read_event_time,
    read_predict_request,
)
from bento_service.schemas import LabelAnswer, build_label_body, build_predict_answer, build_predict_body
from bento_service.spool_folder import Instance, claim_base
from bento_service.spooled_rows import LogRow
from cyclone.keys import KeyRing, find_source
from cyclone.settings import read_settings
from cyclone.store import Store

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
        asks_for_key = any(item.cls is BearerKeys for item in app.user_middleware)
        show_page(app, build_page(BUNDLE, asks_for_key))
        # The table is asked in its order, by the keys and by the router: what is asked most stands first.
        app.routes.sort(key=lambda route: getattr(route, "path", "") not in SCOPES)
        return app

    @property
    def openapi_spec(self) -> Any:
        page = head_openapi(super().openapi_spec, BUNDLE)
        if find_source(read_settings()) is not None:
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
            Instance.begin(SPEC.name, BUNDLE.version, BUNDLE.revision),
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
            return refuse(refusal)
        except Exception as error:
            log_failure(logger, error)
            self._count(body, self._find_event_time(body, now), 500, started)
            return fail(f"{SPEC.name} could not answer these rows", 500)
        response, sequence = self._log_and_answer(request, predictions, started, now, is_logged=not body.is_rehearsal)
        if SPEC.serving.durability == "committed":
            await self.log.wait_until_stored(sequence)
        self._count(body, request.created_at[0] if request.created_at else now, 200, started)
        return response

    @bentoml.api(input_spec=publish_as(build_label_body(SPEC)), output_spec=LabelAnswer)  # type: ignore[untyped-decorator]
    async def labels(self, body: RawBody, /) -> Response:
        """Keep what turned out to be true, before or after its prediction is stored; the newest counts."""
        try:
            return await answer_labels(self.store, SPEC, body.content, datetime.now(UTC))
        except RequestError as refusal:
            return refuse(refusal)

    def _log_and_answer(
        self, request: PredictRequest, predictions: list[Prediction], started: float, now: datetime, is_logged: bool
    ) -> tuple[Response, int | None]:
        ids = request.ids or [self.ids.make() for _ in request.rows]
        times = request.created_at or [now] * len(ids)
        items = [{"id": id_, "prediction": value} for id_, value in zip(ids, predictions, strict=True)]
        response = answer(
            {"model": SPEC.name, "version": BUNDLE.version, "revision": BUNDLE.revision, "predictions": items}
        )
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


if (key_source := find_source(read_settings())) is not None:
    PredictionService.add_asgi_middleware(BearerKeys, keys=KeyRing(key_source))  # type: ignore[attr-defined]
