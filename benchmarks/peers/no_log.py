"""The same service without its log: the ceiling. It runs from a bundle, as the service does."""

from datetime import datetime
from typing import Any

from bento_service import answering, service
from bento_service.log import metrics


class NoLog:
    """A log that keeps nothing and starts nothing. Requests are still counted for Prometheus."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def start(self) -> None:
        pass

    def count_request(self, at: datetime, status: int, latency_ms: float) -> None:
        metrics.observe_request(status, latency_ms / 1000)

    def close(self, deadline_seconds: float) -> bool:
        return True


async def keep_nothing(self: Any, *_: Any) -> None:
    """Takes the place of `Answering._hand_over`, which would log the rows."""


answering.PredictionLog = NoLog  # type: ignore[assignment,attr-defined]
answering.Answering._hand_over = keep_nothing  # type: ignore[assignment,method-assign]
PredictionService = service.PredictionService
