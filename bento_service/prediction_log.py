"""The prediction log of one serving instance: answered rows are handed over here, and stored in the background.

Handing over never waits for Postgres. One thread sends batches; while Postgres is away it tries again, and rows
wait in memory up to a limit. Beyond it the newest rows are dropped, and the ledger says how many.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime

from bento_service import metrics
from bento_service.log_writer import Flush, Instance, LogRow, LogWriter, Outcome, StoreAway
from bento_service.request_stats import RequestStats

FLUSH_SECONDS = 0.2
"""Rows wait so long for company before they are sent."""
HEARTBEAT_SECONDS = 10.0
BATCH_ROWS = 5000
QUEUE_BYTES = 64 * 1024 * 1024
ROW_OVERHEAD_BYTES = 400
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0

logger = logging.getLogger("bentoml.prediction_log")


class PredictionLog:
    """A bounded queue and the thread that empties it into Postgres."""

    def __init__(self, dsn: str, instance: Instance, queue_bytes: int = QUEUE_BYTES) -> None:
        self._writer = LogWriter(dsn, instance)
        self._stats = RequestStats()
        self._queue: deque[LogRow] = deque()
        self._queue_limit, self._queued_bytes = queue_bytes, 0
        self._handed_over = self._dropped = self._flush_number = 0
        self._lock = threading.Lock()
        self._has_work = threading.Event()
        self._is_closing = threading.Event()
        self._is_signed_off = False
        self._give_up_at = float("inf")
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Start the thread; its first flush enters the instance into the ledger."""
        self._has_work.set()
        self._thread.start()

    def hand_over(self, rows: Sequence[LogRow]) -> None:
        """Number the rows and queue them; those that find the queue full are dropped and counted."""
        dropped = 0
        with self._lock:
            for row in rows:
                self._handed_over += 1
                row.sequence = self._handed_over
                size = _measure(row)
                if self._queued_bytes + size > self._queue_limit:
                    dropped += 1
                else:
                    self._queue.append(row)
                    self._queued_bytes += size
            self._dropped += dropped
        self._has_work.set()
        metrics.LOG_QUEUE.set(len(self._queue))
        metrics.count_rows(dropped=dropped)

    def count_request(self, at: datetime, status: int, latency_ms: float) -> None:
        """Count one answered, rejected or failed request; `at` is its event time, UTC."""
        self._stats.add(at, status, latency_ms)
        self._has_work.set()
        metrics.observe_request(status, latency_ms / 1000)

    def close(self, deadline_seconds: float) -> bool:
        """Send what is queued and sign off in the ledger. False when that did not succeed in time."""
        self._give_up_at = time.monotonic() + deadline_seconds
        self._is_closing.set()
        self._has_work.set()
        self._thread.join(deadline_seconds)
        if not self._is_signed_off:
            logger.error("prediction log: stopped before every row was stored; %d are queued", len(self._queue))
        return self._is_signed_off

    def _run(self) -> None:
        has_given_up = False
        while not (has_given_up or self._is_signed_off):
            self._has_work.wait(HEARTBEAT_SECONDS)
            if len(self._queue) < BATCH_ROWS:
                self._is_closing.wait(FLUSH_SECONDS)
            flush = self._take_flush()
            has_given_up = not self._send(flush)
            self._is_signed_off = flush.is_stopped and not has_given_up
        self._writer.close()

    def _take_flush(self) -> Flush:
        self._has_work.clear()
        is_closing = self._is_closing.is_set()
        with self._lock:
            rows = [self._queue.popleft() for _ in range(min(BATCH_ROWS, len(self._queue)))]
            self._queued_bytes -= sum(map(_measure, rows))
            has_more = bool(self._queue)
            handed_over, dropped = self._handed_over, self._dropped
        if has_more:
            self._has_work.set()
        self._flush_number += 1
        buckets = tuple(self._stats.take())
        return Flush(self._flush_number, tuple(rows), buckets, handed_over, dropped, is_closing and not has_more)

    def _send(self, flush: Flush) -> bool:
        """Try until it is stored; False when time is up."""
        pause, failures = FIRST_PAUSE_SECONDS, 0
        while (outcome := self._try_to_write(flush, failures)) is None:
            failures += 1
            if time.monotonic() > self._give_up_at:
                logger.error("prediction log: gave up on %d rows, the store is away", len(flush.rows))
                return False
            if self._is_closing.is_set():
                time.sleep(FIRST_PAUSE_SECONDS)
            else:
                self._is_closing.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 (no secret)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        if failures:
            logger.warning("prediction log: the store is back after %d attempts", failures)
        metrics.count_rows(stored=outcome.stored, repeated=outcome.repeated, refused=len(outcome.refused))
        metrics.LOG_QUEUE.set(len(self._queue))
        return True

    def _try_to_write(self, flush: Flush, failures: int) -> Outcome | None:
        try:
            outcome = self._writer.write(flush)
        except StoreAway as error:
            if not failures:
                logger.warning("prediction log: the store is away, rows wait: %s", error)
            return None
        except Exception as error:  # a mistake of ours must not end the log; values stay out of its log line
            if not failures:
                logger.error("prediction log: a flush failed with %s, rows wait", type(error).__name__)
            self._writer.close()
            return None
        for row in outcome.refused:
            logger.error("prediction log: the store refused row %d with id %r", row.sequence, row.id)
        return outcome


def _measure(row: LogRow) -> int:
    """About the bytes that a row holds in memory."""
    return len(row.input) + len(row.prediction) + ROW_OVERHEAD_BYTES
