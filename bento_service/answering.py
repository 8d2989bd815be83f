"""The steps that every serving process takes with a request: read, predict, answer, log and count.

The service and the logging proxy both use them. They differ only in who predicts.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

from pydantic_core import to_json
from starlette.responses import Response

from bento_service.answers import answer, fail, log_failure, refuse
from bento_service.content import Body
from bento_service.ending import DRAIN_SECONDS, LABEL_SECONDS
from bento_service.ids import PredictionIds
from bento_service.labels import answer_labels
from bento_service.log.prediction_log import PredictionLog
from bento_service.log.spool_folder import Instance, claim_base
from bento_service.log.spooled_rows import LogRow
from bento_service.recent_ids import RecentIds
from bento_service.request import PredictRequest, RequestError, read_predict_request, refuse_ids
from cyclone.errors import CycloneError
from cyclone.rows.validation import EARLIEST
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import EARLIEST_OF_HISTORY, HOUR

Predict = Callable[[Sequence[Mapping[str, Any]]], Awaitable[list[Any]]]
"""A function of rows that gives one prediction for each.

Errors: `UnansweredError` when the predictions come from another process, and it does not give them.
"""
logger = logging.getLogger("bentoml.answering")


def read_replayed(store: Store, model: str) -> datetime | None:
    """The newest event time of a replay. None before its first row, and while the store is away."""
    with suppress(CycloneError):
        row = store.fetch_one("log/newest_event", model=model)
        newest: datetime | None = row["newest"] if row else None
        return newest
    return None


class UnansweredError(Exception):
    """The process that was asked for predictions gave none. The message is for the log. The client gets a 502."""


class Answering:
    """Answers the requests of one serving instance."""

    def __init__(
        self,
        spec: ModelSpec,
        instance: Instance,
        log: PredictionLog,
        store: Store,
        predict: Predict,
        *,
        is_live: bool = True,
        replayed: datetime | None = None,
    ) -> None:
        self._spec, self._instance, self._log, self._store = spec, instance, log, store
        self._predict_rows = predict
        self._ids = PredictionIds()
        self._is_live = is_live
        self._replayed = replayed
        self._earliest = EARLIEST if is_live else EARLIEST_OF_HISTORY
        self._recent_ids = RecentIds(spec.feature_names)
        self._refuses_conflicts = spec.serving.conflicting_ids == "refuse"
        self._is_committed = spec.serving.durability == "committed"

    @classmethod
    def begin(
        cls, spec: ModelSpec, version: int, revision: str, settings: Settings, worker: int, predict: Predict
    ) -> Self:
        """A new instance with its log. Errors: `ConfigurationError` when the spool's folder cannot be used."""
        store = Store(settings.store_dsn)
        base = claim_base(settings.spool_dir, spec.name, store.dsn, worker)
        instance = Instance.begin(spec.name, version, revision)
        is_committed = spec.serving.durability == "committed"
        log = PredictionLog(store.dsn, instance, base, spec.serving.spool_mb * 1024 * 1024, is_committed)
        is_live = settings.clock == "wall"
        replayed = None if is_live else read_replayed(store, spec.name)
        labels = Store(store.dsn, LABEL_SECONDS)
        return cls(spec, instance, log, labels, predict, is_live=is_live, replayed=replayed)

    def start(self) -> None:
        """Start to send the log. Everything that stays in memory has to be loaded by then."""
        self._log.start()
        gc.collect()
        gc.freeze()  # else each full collection walks the whole start-up heap, within somebody's request

    async def stop(self) -> None:
        """Send the rows that wait in the log, for at most `DRAIN_SECONDS`."""
        await asyncio.to_thread(self._log.close, DRAIN_SECONDS)

    async def predict(self, body: Body) -> Response:
        """The answer to POST /predict. It is logged and counted, except in a rehearsal. No error leaves it."""
        started, now = time.perf_counter(), datetime.now(UTC)
        # A row without a time happens now. In a replay that is the newest time that was replayed.
        at = undated = self._replayed or now
        try:
            request = read_predict_request(self._spec, body.read(), now, self._earliest)
            if request.created_at:
                at = request.created_at[0]
                self._note_replayed(request.created_at, now)
            response = await self._answer(request, started, undated, is_logged=not body.is_rehearsal)
        except RequestError as refusal:
            at, response = refusal.at or at, refuse(refusal)
        except UnansweredError as error:
            logger.error("%s", error)
            response = fail(f"{self._spec.name} could not answer these rows", 502)
        except Exception as error:
            log_failure(logger, error)
            response = fail(f"{self._spec.name} could not answer these rows", 500)
        if not body.is_rehearsal:
            self._log.count_request(at, response.status_code, (time.perf_counter() - started) * 1000)
        return response

    def _note_replayed(self, times: Sequence[datetime], now: datetime) -> None:
        """Keep the newest event time of a replay. A row of about now is somebody's who asks meanwhile."""
        played = [at for at in times if not self._is_live and at < now - HOUR]
        self._replayed = max([*played, self._replayed or played[0]]) if played else self._replayed

    async def label(self, body: Body) -> Response:
        """The answer to POST /labels. No error leaves it."""
        try:
            return await answer_labels(self._store, self._spec, body.read(), datetime.now(UTC), is_live=self._is_live)
        except RequestError as refusal:
            return refuse(refusal)

    async def _answer(self, request: PredictRequest, started: float, now: datetime, is_logged: bool) -> Response:
        predictions = await self._predict_rows(request.rows)
        if request.ids and is_logged and self._refuses_conflicts:
            # Nothing may wait between here and the log: of two requests with one id, the second has to be refused.
            refuse_ids(request.ids, self._recent_ids.claim(request.ids, request.rows))
        ids = request.ids or [self._ids.make() for _ in request.rows]
        items = [{"id": id_, "prediction": value} for id_, value in zip(ids, predictions, strict=True)]
        told = self._instance
        response = answer(
            {"model": told.model, "version": told.version, "revision": told.revision, "predictions": items}
        )
        if is_logged:
            await self._hand_over(request, ids, predictions, started, now)
        return response

    async def _hand_over(
        self, request: PredictRequest, ids: list[str], predictions: list[Any], started: float, now: datetime
    ) -> None:
        """Give the rows to the log before the answer leaves.

        They are in the spool then, and with `durability: committed` in the store.
        """
        latency_ms = (time.perf_counter() - started) * 1000
        times = request.created_at or [now] * len(ids)
        sequence = self._log.hand_over(
            [
                LogRow(id_, at, latency_ms, to_json(row).decode(), to_json(value).decode())
                for id_, at, row, value in zip(ids, times, request.rows, predictions, strict=True)
            ]
        )
        if self._is_committed:
            await self._log.wait_until_stored(sequence)
