"""The BentoML service of one model: predictions, labels, health, metrics and a typed OpenAPI page."""

from functools import partial
from typing import Any

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from starlette.responses import Response

from bento_service.answering import Answering
from bento_service.batching import Batcher
from bento_service.bearer import SCOPES, BearerKeys, publish_keys
from bento_service.body import RawBody, publish_as
from bento_service.bundle import read_bundle
from bento_service.openapi import complete_openapi
from bento_service.page import build_page, show_page
from bento_service.prediction import build_probe_row, predict_rows
from bento_service.schemas import LabelAnswer, build_label_body, build_predict_answer, build_predict_body
from cyclone.keys import KeyRing, find_source
from cyclone.settings import read_settings

BUNDLE = read_bundle()
SPEC = BUNDLE.spec


class LeanService(bentoml.Service):  # type: ignore[misc]  # BentoML is not typed
    """A service without those parts of BentoML's middleware that cost about as much as a small model's answer.

    The timer of each request keeps its memory for a minute, and Cloud Run times requests itself. BentoML's counter is
    not needed, for `metrics` counts requests. Spans are made only if BentoML's configuration says who collects them.
    """

    def to_asgi(self, is_main: bool = True) -> Any:
        app = super().to_asgi(is_main)
        dropped = {"TimeoutMiddleware", "RunnerTrafficMetricsMiddleware"}
        if not BentoMLContainer.tracing.exporter_type.get():
            dropped.add("OpenTelemetryMiddleware")
        app.user_middleware = [item for item in app.user_middleware if item.cls.__name__ not in dropped]
        asks_for_key = any(item.cls is BearerKeys for item in app.user_middleware)
        show_page(app, build_page(BUNDLE, asks_for_key))
        # Both the keys and the router ask the table in its order, so the routes that are asked most stand first.
        app.routes.sort(key=lambda route: getattr(route, "path", "") not in SCOPES)
        return app

    @property
    def openapi_spec(self) -> Any:
        page = complete_openapi(super().openapi_spec, BUNDLE)
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
        self.estimator = BUNDLE.load_estimator()
        self.calibration = BUNDLE.read_calibration()
        batcher = Batcher(partial(predict_rows, SPEC, self.estimator, calibration=self.calibration))
        worker = bentoml.server_context.worker_index or 1
        self.answering = Answering.begin(
            SPEC, BUNDLE.version, BUNDLE.revision, read_settings(), worker, batcher.predict
        )

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    def start(self) -> None:
        predict_rows(
            SPEC, self.estimator, [build_probe_row(SPEC)], self.calibration
        )  # or the first client pays for lazy imports
        self.answering.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        await self.answering.stop()

    @bentoml.api(input_spec=publish_as(build_predict_body(SPEC)), output_spec=build_predict_answer(SPEC))  # type: ignore[untyped-decorator]
    async def predict(self, body: RawBody, /) -> Response:
        """Predict one or more rows and log them. A request with a bad row is refused. Its `details` name each bad
        row, the feature, the value and what is allowed."""
        return await self.answering.predict(body.body)

    @bentoml.api(input_spec=publish_as(build_label_body(SPEC)), output_spec=LabelAnswer)  # type: ignore[untyped-decorator]
    async def labels(self, body: RawBody, /) -> Response:
        """Keep labels, before or after their predictions are stored. The last label of an id to arrive counts."""
        return await self.answering.label(body.body)


if (key_source := find_source(read_settings())) is not None:
    PredictionService.add_asgi_middleware(BearerKeys, keys=KeyRing(key_source))  # type: ignore[attr-defined]
