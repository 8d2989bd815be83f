"""Writes batches of the prediction log, with the ledger and the request counts, into Postgres."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cyclone.store import Transaction, load_statement

if TYPE_CHECKING:
    from psycopg2.extensions import connection

CONNECT_TIMEOUT_SECONDS = 3
# Without these a network that swallows packets would hold the writer for many minutes.
KEEP_ALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


@dataclass(frozen=True, slots=True)
class Instance:
    """One serving process: its rows carry its id, and are numbered by it from 1."""

    instance_id: str
    model: str
    version: int
    revision: str
    started_at: datetime


@dataclass(slots=True)
class LogRow:
    """One answered row. `input` and `prediction` are JSON texts; `created_at` is event time, UTC."""

    id: str
    created_at: datetime
    latency_ms: float
    input: str
    prediction: str
    sequence: int = 0
    """Given by the log when the row is handed over."""


@dataclass(frozen=True, slots=True)
class Flush:
    """What one transaction stores. Numbered, so that sending it again after a lost answer changes nothing."""

    number: int
    rows: tuple[LogRow, ...]
    buckets: tuple[dict[str, Any], ...]
    handed_over: int
    dropped: int
    is_stopped: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of a flush's rows: stored, repeated (the id is known), refused by Postgres."""

    stored: int = 0
    repeated: int = 0
    refused: list[LogRow] = field(default_factory=list)


class StoreAway(Exception):  # noqa: N818 (no error: the writer waits and tries again)
    """Postgres cannot take the flush now."""


class LogWriter:
    """Holds one connection while it works. Not for use by two threads."""

    def __init__(self, dsn: str, instance: Instance) -> None:
        self._dsn = dsn
        self._instance = instance
        self._connection: connection | None = None
        self._known_months: set[datetime] = set()
        self._repeated = 0
        self._refused = 0

    def write(self, flush: Flush) -> Outcome:
        """Store the flush. Rows that Postgres refuses are cut out by halving. Errors: `StoreAway`."""
        import psycopg2

        counted = self._repeated, self._refused
        try:
            return self._write_part(flush)
        except psycopg2.Error as error:
            self.close()
            self._known_months.clear()  # one may have been dropped
            self._repeated, self._refused = counted  # the flush comes again as a whole
            raise StoreAway(str(error).strip() or type(error).__name__) from error

    def close(self) -> None:
        """Let the connection go. Harmless when there is none."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _write_once(self, flush: Flush) -> Outcome:
        raw = self._connect()
        self._ensure_partitions(raw, flush.rows)
        with raw:  # commits, or rolls back on any error
            transaction = Transaction(raw)
            outcome = self._insert_rows(transaction, flush.rows)
            if flush.buckets:
                transaction.run(
                    "log/request_stats_insert",
                    **self._identity,
                    flush_number=flush.number,
                    buckets=json.dumps(flush.buckets),
                )
            transaction.run(
                "log/ledger_upsert",
                **self._identity,
                started_at=self._instance.started_at,
                last_seen_at=datetime.now(UTC),
                handed_over=flush.handed_over,
                dropped=flush.dropped + self._refused,
                repeated=self._repeated + outcome.repeated,
                is_stopped=flush.is_stopped,
            )
        self._repeated += outcome.repeated
        return outcome

    def _insert_rows(self, transaction: Transaction, rows: Sequence[LogRow]) -> Outcome:
        if not rows:
            return Outcome()
        lines = io.StringIO()
        csv.writer(lines).writerows(
            (row.sequence, row.id, row.created_at.isoformat(), row.latency_ms, row.input, row.prediction)
            for row in rows
        )
        lines.seek(0)
        transaction.run("log/incoming_create")
        with transaction.connection.cursor() as cursor:
            cursor.copy_expert(load_statement("log/incoming_copy"), lines)
        counts = transaction.fetch_one("log/predictions_insert", **self._identity) or {}
        return Outcome(stored=counts["stored"], repeated=counts["repeated"])

    def _ensure_partitions(self, raw: "connection", rows: Sequence[LogRow]) -> None:
        """In a transaction of its own: creating one locks the whole table."""
        months = {row.created_at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) for row in rows}
        if missing := months - self._known_months:
            with raw:
                Transaction(raw).fetch("log/partitions_ensure", parent="prediction_log", moments=sorted(missing))
            self._known_months |= missing

    def _connect(self) -> "connection":
        import psycopg2

        if self._connection is None:
            self._connection = psycopg2.connect(
                self._dsn,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                options="-c timezone=UTC",
                **KEEP_ALIVE,
            )
        return self._connection

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "instance_id": self._instance.instance_id,
            "model": self._instance.model,
            "version": self._instance.version,
            "revision": self._instance.revision,
        }

    def _write_part(self, flush: Flush) -> Outcome:
        import psycopg2

        try:
            return self._write_once(flush)
        except psycopg2.errors.CheckViolation:  # the rows' partition is gone
            raise
        except (psycopg2.DataError, psycopg2.IntegrityError):
            if not flush.rows:
                raise
        if len(flush.rows) == 1:
            self._refused += 1
            outcome = self._write_once(replace(flush, rows=()))
            outcome.refused.extend(flush.rows)
            return outcome
        middle = len(flush.rows) // 2
        first = self._write_part(replace(flush, rows=flush.rows[:middle], buckets=(), is_stopped=False))
        second = self._write_part(replace(flush, rows=flush.rows[middle:]))
        return Outcome(first.stored + second.stored, first.repeated + second.repeated, first.refused + second.refused)
