"""The same service without its log: the ceiling. It runs from a bundle, as the service does."""

import time
from datetime import datetime
from typing import Any

from bento_service import metrics, service
from bento_service.answers import answer


class NoLog:
    """Keeps nothing, starts nothing; requests are still counted for Prometheus."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def start(self) -> None:
        pass

    def count_request(self, at: datetime, status: int, latency_ms: float) -> None:
        metrics.observe_request(status, latency_ms / 1000)

    def close(self, deadline_seconds: float) -> bool:
        return True


def answer_only(
    self: Any, request: Any, predictions: list[Any], started: float, now: datetime, is_logged: bool = True
) -> Any:
    """`PredictionService._log_and_answer` without the log."""
    ids = request.ids or [self.ids.make() for _ in request.rows]
    items = [{"id": id_, "prediction": value} for id_, value in zip(ids, predictions, strict=True)]
    bundle = service.BUNDLE
    response = answer(
        {"model": bundle.spec.name, "version": bundle.version, "revision": bundle.revision, "predictions": items}
    )
    metrics.observe_request(200, time.perf_counter() - started)
    return response, None


service.PredictionLog = NoLog  # type: ignore[assignment,attr-defined]
service.PredictionService.inner._log_and_answer = answer_only  # type: ignore[attr-defined]
PredictionService = service.PredictionService
