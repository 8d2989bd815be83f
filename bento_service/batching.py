"""Adaptive batching: rows of requests that arrive together are predicted together.

One batch is what the event loop has read in one turn. No request waits for others. An estimator takes most of its
time for the call, and little for each row. So a busy service answers several times more requests, and a single request
is as fast as before.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cyclone.losses import Prediction

Rows = Sequence[Mapping[str, Any]]


class Batcher:
    """Joins the calls of one turn of the event loop into one call of `predict`, which gives one prediction a row."""

    def __init__(self, predict: Callable[[Rows], list[Prediction]]) -> None:
        self._predict = predict
        self._waiting: list[tuple[Rows, asyncio.Future[list[Prediction]]]] = []

    async def predict(self, rows: Rows) -> list[Prediction]:
        """The predictions of these rows. Errors: those that `predict` raises for these rows alone."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._run)
        answer: asyncio.Future[list[Prediction]] = loop.create_future()
        self._waiting.append((rows, answer))
        return await answer

    def _run(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            predictions = self._predict([row for rows, _ in batch for row in rows])
        except Exception as error:
            self._fail(batch, error)
            return
        start = 0
        for rows, answer in batch:
            if not answer.done():  # the client left
                answer.set_result(predictions[start : start + len(rows)])
            start += len(rows)

    def _fail(self, batch: list[tuple[Rows, "asyncio.Future[list[Prediction]]"]], error: Exception) -> None:
        """Predict each request alone, for the rows of only one of them may have made the batch fail."""
        for rows, answer in batch:
            if answer.done():
                continue
            if len(batch) == 1:
                answer.set_exception(error)
                return
            try:
                answer.set_result(self._predict(rows))
            except Exception as own_error:
                answer.set_exception(own_error)
