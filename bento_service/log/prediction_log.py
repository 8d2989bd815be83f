"""The prediction log of one serving instance: answered rows are handed over here, and stored in the background.

Handing over writes to the spool and never waits for Postgres. One thread sends batches. While Postgres is away, it
tries again. Beyond the spool's limit the newest rows are dropped, and the ledger says how many.
"""

import asyncio
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bento_service.log import metrics
from bento_service.log.log_writer import Flush, LogWriter, Outcome, StoreAway
from bento_service.log.request_stats import RequestStats
from bento_service.log.spool import Batch
from bento_service.log.spool_folder import Instance, SpoolBase, SpoolFolder
from bento_service.log.spooled_rows import LogRow, SpooledRows

FLUSH_SECONDS = 0.5
"""The time that rows wait for others before they are sent, unless an answer waits for their commit.

The thread that sends takes time from the one that answers. So fewer batches mean fewer slow answers.
"""
GROUP_SECONDS = 0.005
"""The time that a commit waits for more answers, if several wait for it. Fewer commits let more answers leave."""
COMMIT_SECONDS = 2.0
"""The longest time that an answer waits for Postgres. After that its rows in the spool have to do.

Answers wait again once Postgres is back.
"""
LINGER_SECONDS = 1.0
"""The time that an attempt gets after the deadline at which it still runs, to leave the spool in order."""
HEARTBEAT_SECONDS = 10.0
"""The time after which an instance without requests writes to the ledger that it lives."""
BATCH_ROWS = 5000
"""The most rows of a batch, about. The value is a choice: no measurement stands behind it."""
SPOOL_BYTES = 64 * 1024 * 1024
"""The limit of a spool in bytes, which is the default of `serving.spool_mb`."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
"""The first and the longest pause between attempts while Postgres is away. Each pause is twice the one before."""

logger = logging.getLogger("bentoml.prediction_log")


@dataclass(slots=True)
class Sender:
    """The rows of one instance and the writer that sends them in its name.

    `flush` is what was tried and has not arrived yet.
    """

    rows: SpooledRows
    writer: LogWriter
    flush: tuple[Flush, Batch] | None = None
    is_done: bool = False
    is_left: bool = False

    def close(self) -> None:
        """Delete the spool if all rows are sent. Otherwise leave it for the next start."""
        self.writer.close()
        if self.is_done:
            self.rows.remove()
        else:
            self.rows.close()


class PredictionLog:
    """The spool of this process, the spools that killed processes left, and the thread that sends all to Postgres."""

    def __init__(
        self,
        dsn: str,
        instance: Instance,
        base: SpoolBase,
        limit_bytes: int = SPOOL_BYTES,
        is_committed: bool = False,
    ) -> None:
        """Make the spool and take over those of killed processes.

        Errors: `ConfigurationError` when the spool's folder cannot be made.
        """
        self._dsn, self._limit_bytes, self._is_committed = dsn, limit_bytes, is_committed
        self._orphans = [sender for folder in base.adopt_orphans() if (sender := self._open_orphan(folder))]
        self._rows = SpooledRows(base.create_folder(instance), limit_bytes)
        self._own = Sender(self._rows, LogWriter(dsn, instance))
        self._fit_limit()
        self._stats = RequestStats()
        self._waiters: deque[tuple[int, asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._stored_through = 0
        self._is_away = False
        self._waiters_lock = threading.Lock()
        self._has_work, self._has_rows = threading.Event(), threading.Event()
        self._stats_at = 0.0
        self._is_closing = threading.Event()
        self._give_up_at = float("inf")
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Start the thread that sends. Its first flush enters the instance into the ledger."""
        metrics.forget_killed_workers()
        self._has_work.set()
        self._thread.start()

    def hand_over(self, rows: Sequence[LogRow]) -> int | None:
        """Number the rows and write them to the spool. Returns the last row's number.

        Returns None if the spool has no room. The rows are dropped and counted then.
        """
        sequence = self._rows.add(rows)
        if not self._has_rows.is_set():
            self._has_rows.set()
            self._has_work.set()
        if sequence is None:
            metrics.count_rows(dropped=len(rows))
        return sequence

    async def wait_until_stored(self, sequence: int | None) -> None:
        """Wait until the rows up to `sequence` are in Postgres. While it is away, do not wait: the spool has them."""
        if sequence is None or self._is_away:
            return
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        with self._waiters_lock:
            if self._stored_through >= sequence or self._is_away:
                return
            self._waiters.append((sequence, loop, waiter))
        try:
            await asyncio.wait_for(waiter, COMMIT_SECONDS)
        except TimeoutError:
            logger.warning(
                "prediction log: the store took longer than %g s. Rows in the spool have to do", COMMIT_SECONDS
            )
            self._release(None)

    def count_request(self, at: datetime, status: int, latency_ms: float) -> None:
        """Count one answered, rejected or failed request. `at` is its event time in UTC."""
        self._stats.add(at, status, latency_ms)
        if not self._has_work.is_set():
            self._has_work.set()
        metrics.observe_request(status, latency_ms / 1000)

    def close(self, deadline_seconds: float) -> bool:
        """Send the rows that wait and sign off in the ledger. False if there was no time. The spool keeps the rows."""
        self._give_up_at = time.monotonic() + deadline_seconds
        self._is_closing.set()
        self._has_rows.set()
        self._has_work.set()
        self._thread.join(deadline_seconds + LINGER_SECONDS)
        if not self._own.is_done:
            place = self._rows.folder.path
            words = "prediction log: %d rows are not in the store. The next start that finds %s sends them"
            logger.error(words, self._rows.waiting, place)
        return self._own.is_done

    def _run(self) -> None:
        pause, failures = FIRST_PAUSE_SECONDS, 0
        while not self._own.is_done and time.monotonic() < self._give_up_at:
            self._has_work.wait(HEARTBEAT_SECONDS)
            if not self._has_backlog():  # where answers wait, only counts wait for company
                (self._has_rows if self._is_committed else self._is_closing).wait(FLUSH_SECONDS)
            if len(self._waiters) > 1:
                self._is_closing.wait(GROUP_SECONDS)
            self._has_work.clear()
            self._has_rows.clear()
            if problem := self._send_round():
                self._release(None)
                if not failures:
                    logger.warning("prediction log: the store is away, and rows wait in the spool: %s", problem)
                failures += 1
                self._pause(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                self._has_work.set()
            elif failures:
                logger.warning("prediction log: the store is back after %d attempts", failures)
                pause, failures = FIRST_PAUSE_SECONDS, 0
        for sender in (self._own, *self._orphans):
            sender.close()

    def _pause(self, seconds: float) -> None:
        if self._is_closing.is_set():
            time.sleep(FIRST_PAUSE_SECONDS)
        else:
            self._is_closing.wait(seconds * random.uniform(0.5, 1.5))  # noqa: S311 (no secret)

    def _send_round(self) -> str | None:
        """Send one batch of this process and one of each killed process. Returns what went wrong, or None."""
        problem = self._send(self._own)
        for orphan in self._orphans:
            problem = problem or self._send(orphan)
            if orphan.is_done:
                logger.warning("prediction log: the rows of %s are recovered", orphan.rows.folder.path.name)
            if orphan.is_done or orphan.is_left:
                orphan.close()
        self._orphans = [orphan for orphan in self._orphans if not (orphan.is_done or orphan.is_left)]
        self._fit_limit()
        metrics.LOG_QUEUE.set(self._rows.waiting)
        metrics.LOG_SPOOL.set(self._rows.spool.size)
        if self._rows.waiting:
            self._has_rows.set()
        if self._rows.waiting or self._orphans or self._stats or self._is_closing.is_set():
            self._has_work.set()
        return problem

    def _send(self, sender: Sender) -> str | None:
        if sender.flush is None:
            is_own = sender is self._own
            buckets = self._take_stats() if is_own else ()
            is_last = self._is_closing.is_set() or not is_own
            sender.flush = sender.rows.take_flush(BATCH_ROWS, buckets, is_last)
        flush, batch = sender.flush
        try:
            outcome = sender.writer.write(flush)
        except StoreAway as error:
            return str(error)
        except Exception as error:  # a mistake of ours must not end the log, and the message may hold values
            sender.writer.close()
            if sender is self._own:
                return f"a flush failed with {type(error).__name__}"
            name = sender.rows.folder.path
            logger.error("prediction log: sending %s failed with %s. It is left as it is", name, type(error).__name__)
            sender.is_left = True
            return None
        sender.rows.settle(flush, batch, outcome)
        sender.flush, sender.is_done = None, flush.is_stopped
        self._report(outcome)
        if sender is self._own:
            self._release(max(self._stored_through, batch.last_sequence))
        return None

    def _take_stats(self) -> tuple[dict[str, Any], ...]:
        """The counts since they were last taken, at most once in `FLUSH_SECONDS`.

        So a commit that an answer waits for is seldom larger by them.
        """
        now = time.monotonic()
        if now < self._stats_at and not self._is_closing.is_set():
            return ()
        self._stats_at = now + FLUSH_SECONDS
        return tuple(self._stats.take())

    def _report(self, outcome: Outcome) -> None:
        metrics.count_rows(
            stored=outcome.stored,
            repeated=outcome.repeated,
            conflicting=outcome.conflicting,
            set_aside=len(outcome.refused),
        )
        if outcome.conflicting:
            words = (
                "prediction log: %d answered rows are not in it, because their ids, such as %r, are those of other rows"
            )
            logger.error(words, outcome.conflicting, outcome.conflicting_ids[0])
        for row in outcome.refused:
            code = row.reason.partition(":")[0]
            logger.error("prediction log: the store refused row %d with id %r (%s)", row.sequence, row.id, code)

    def _release(self, stored_through: int | None) -> None:
        """Let the answers leave whose rows are stored. If the store is away (None), let all of them leave."""
        with self._waiters_lock:
            self._is_away = stored_through is None
            self._stored_through = stored_through or self._stored_through
            free = []
            while self._waiters and (self._is_away or self._waiters[0][0] <= self._stored_through):
                free.append(self._waiters.popleft())
        for _, loop, waiter in free:
            loop.call_soon_threadsafe(_finish, waiter)

    def _has_backlog(self) -> bool:
        return self._rows.waiting >= BATCH_ROWS or bool(self._orphans)

    def _fit_limit(self) -> None:
        """Set the limit of the own spool. What killed processes left counts too, or a crash loop fills the disk."""
        others = sum(orphan.rows.spool.size for orphan in self._orphans)
        self._rows.spool.limit_bytes = self._limit_bytes - others

    def _open_orphan(self, folder: SpoolFolder) -> Sender | None:
        try:
            rows = SpooledRows(folder, limit_bytes=0)
        except (OSError, ValueError, KeyError) as error:
            logger.error("prediction log: the spool in %s cannot be read: %r", folder.path, error)
            folder.release()
            return None
        return Sender(rows, LogWriter(self._dsn, folder.instance))


def _finish(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
