"""The answered rows of one instance that are not in Postgres yet. They are numbered, spooled and counted here."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from bento_service.log.drop_counts import DropCounts
from bento_service.log.log_writer import Flush, Outcome, add_hours, find_hour, read_head
from bento_service.log.spool import Batch, Spool
from bento_service.log.spool_folder import SpoolFolder

logger = logging.getLogger("bentoml.prediction_log")


@dataclass(slots=True)
class LogRow:
    """One answered row. `input` and `prediction` are JSON texts. `created_at` is its event time in UTC."""

    id: str
    created_at: datetime
    latency_ms: float
    input: str
    prediction: str

    def to_line(self, sequence: int) -> str:
        """The row as one line of JSON."""
        at = self.created_at.isoformat()
        return (
            f'{{"sequence":{sequence},"id":{to_json(self.id).decode()},"created_at":"{at}",'
            f'"latency_ms":{self.latency_ms!r},"input":{_fold(self.input)},"prediction":{_fold(self.prediction)}}}\n'
        )


class SpooledRows:
    """The rows in one folder. One thread may add rows while another takes and settles them."""

    def __init__(self, folder: SpoolFolder, limit_bytes: int) -> None:
        """Open the folder, which is empty or has the rows of a killed process.

        Errors: `OSError` when it cannot be read.
        """
        self.folder = folder
        self.spool = Spool(folder.path, limit_bytes)
        self._drops = DropCounts(folder.path / "dropped")
        self._lock = threading.Lock()
        self._sequence = 0
        self._flushes = 0
        self._torn_bytes = 0
        self._told_dropped = -1
        self.pending: dict[datetime, int] = {}
        for record in self.spool.scan():
            self._sequence = record.first_sequence + record.rows - 1
            for line in record.lines.splitlines():
                self._count(find_hour(datetime.fromisoformat(read_head(line)["created_at"])))

    def add(self, rows: Sequence[LogRow]) -> int | None:
        """Write the rows to the spool. Returns the last row's number.

        Returns None if the spool has no room. The rows are dropped and counted then.
        """
        with self._lock:
            first = self._sequence + 1
            lines = "".join([row.to_line(first + place) for place, row in enumerate(rows)]).encode()
            if not self.spool.append(first, len(rows), lines):
                for row in rows:
                    self._drops.add(find_hour(row.created_at), 1)
                return None
            self._sequence += len(rows)
            for row in rows:
                self._count(find_hour(row.created_at))
            return self._sequence

    def take_flush(self, max_rows: int, buckets: tuple[dict[str, Any], ...], is_last: bool) -> tuple[Flush, Batch]:
        """The oldest rows, and what the ledger is told of the spool. With `is_last` and no rows left, it signs off."""
        is_stopped = is_last and not self.spool.has_rows
        batch = self.spool.read(max_rows)  # without the lock, because answers must not wait for it
        with self._lock:
            self._flushes += 1
            dropped = self._drops.read() if self._drops.total != self._told_dropped else {}
            flush = Flush(
                self._flushes,
                batch.chunks,
                dict(self.pending),
                dropped,
                self._sequence,
                self._torn_bytes + batch.damaged_bytes,
                buckets,
                is_stopped,
            )
            return flush, batch

    def settle(self, flush: Flush, batch: Batch, outcome: Outcome) -> None:
        """Go on to the rows after the batch, which is in Postgres now."""
        self.spool.advance(batch)
        with self._lock:
            self._torn_bytes += batch.damaged_bytes
            self.pending = add_hours(self.pending, outcome.hours, sign=-1)
            if flush.dropped:
                dropped = sum(flush.dropped.values())
                if dropped > max(self._told_dropped, 0):
                    logger.error("prediction log: %d answered rows are not in it, for the spool was full", dropped)
                self._told_dropped = dropped

    @property
    def waiting(self) -> int:
        """The number of rows that are not in Postgres yet."""
        with self._lock:
            return sum(self.pending.values())

    def close(self) -> None:
        """Leave the folder as it is for the next start."""
        self.spool.close()
        self.folder.release()

    def remove(self) -> None:
        """Delete the folder. Every row has to be in Postgres by then."""
        self.spool.close()
        self.folder.remove()

    def _count(self, hour: datetime) -> None:
        self.pending[hour] = self.pending.get(hour, 0) + 1


def _fold(text: str) -> str:
    """The JSON text on one line. A line break between tokens means nothing, and one within a text is escaped."""
    return text.replace("\n", " ").replace("\r", " ") if "\n" in text or "\r" in text else text
