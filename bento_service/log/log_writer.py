"""Writes batches of the prediction log, with the loss ledger and the request counts, into Postgres."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bento_service.log.spool_folder import Instance
from cyclone.store import Row, Transaction, connect, load_statement

if TYPE_CHECKING:
    import psycopg2
    from psycopg2.extensions import connection

CONNECT_TIMEOUT_SECONDS = 3
"""The time that one attempt to connect may take. The value is a choice, below the `DRAIN_SECONDS` of an orderly end."""
STATEMENT_SECONDS = 60
"""The time that a statement of a batch may take. A batch that waits longer, perhaps for a lock, is tried again."""
POISON_CLASSES = ("22", "23", "54")
"""SQLSTATE classes of errors that are the rows' fault: data (22), constraint (23) and program limit (54).

Another attempt with the same rows would end the same.
"""
Hours = Mapping[datetime, int]


@dataclass(frozen=True, slots=True)
class Flush:
    """What one transaction stores. It is safe to send again, because the ledger knows how far the instance has come."""

    number: int
    lines: tuple[bytes, ...]
    """Chunks of whole lines of JSON. Each row is one line, in the order of the sequence numbers."""
    pending: Hours
    """The number of rows in the spool by hour of event time, UTC. The rows of this flush are included."""
    dropped: Hours
    """The number of rows dropped so far by hour of event time, UTC."""
    last_sequence: int
    """The highest sequence number given so far. It is 0 when it is not known."""
    torn_bytes: int = 0
    buckets: tuple[dict[str, Any], ...] = ()
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that Postgres refused, by its sequence number and id. Its values are in the table `set_aside_row`."""

    sequence: int
    id: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """What became of a flush's rows. `hours` counts all of them by hour, also those that were stored before."""

    stored: int = 0
    repeated: int = 0
    conflicting: int = 0
    """The number of rows that are not stored because their id is that of another row."""
    conflicting_ids: list[str] = field(default_factory=list)
    """Some of their ids."""
    refused: list[Refusal] = field(default_factory=list)
    hours: dict[datetime, int] = field(default_factory=dict)

    def __add__(self, other: "Outcome") -> "Outcome":
        hours = add_hours(self.hours, other.hours)
        return Outcome(
            self.stored + other.stored,
            self.repeated + other.repeated,
            self.conflicting + other.conflicting,
            self.conflicting_ids + other.conflicting_ids,
            self.refused + other.refused,
            hours,
        )


class StoreAway(Exception):  # noqa: N818 (no error: the writer waits and tries again)
    """Postgres cannot take the flush now."""


class LogWriter:
    """Writes flushes through one connection, which it keeps open. Only one thread may use it."""

    def __init__(self, dsn: str, instance: Instance) -> None:
        self._dsn = dsn
        self._instance = instance
        self._connection: connection | None = None

    def write(self, flush: Flush) -> Outcome:
        """Store the flush. Rows that Postgres refuses are found by halving and set aside.

        Errors: `StoreAway` when Postgres cannot take the flush now.
        """
        import psycopg2

        try:
            return self._write_part(flush)
        except psycopg2.Error as error:
            self.close()
            raise StoreAway(str(error).strip() or type(error).__name__) from error

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _write_part(self, flush: Flush) -> Outcome:
        import psycopg2

        try:
            return self._write_where_there_is_room(flush)
        except psycopg2.Error as error:
            if not flush.lines or not is_poison(error):
                raise
            reason = f"{error.pgcode}: {error.diag.message_primary}"
        lines = tuple(line for chunk in flush.lines for line in chunk.splitlines(keepends=True))
        if len(lines) == 1:
            return self._write_once(replace(flush, lines=lines), reason)
        middle = len(lines) // 2
        first = self._write_part(replace(flush, lines=lines[:middle], buckets=(), is_stopped=False))
        pending = add_hours(flush.pending, first.hours, sign=-1)
        return first + self._write_part(replace(flush, lines=lines[middle:], pending=pending))

    def _write_where_there_is_room(self, flush: Flush) -> Outcome:
        import psycopg2

        try:
            return self._write_once(flush)
        except psycopg2.errors.CheckViolation:  # a partition was dropped, or nobody made it ahead
            with self._connect() as raw:
                Transaction(raw).fetch("log/partitions_ahead")
            return self._write_once(flush)

    def _write_once(self, flush: Flush, reason: str | None = None) -> Outcome:
        """Store a flush in one transaction. With a reason, its only row is set aside for that reason."""
        raw = self._connect()
        with raw:  # commits, or rolls back on any error
            transaction = Transaction(raw)
            age_seconds = (datetime.now(UTC) - self._instance.started_at).total_seconds()
            entry = transaction.fetch_one("log/ledger_take", **self._identity, age_seconds=max(0.0, age_seconds))
            through = entry["accounted_through"] if entry else 0
            if reason is None:
                outcome, windows, last = self._insert_lines(transaction, flush, through)
            else:
                outcome, windows, last = self._set_aside(transaction, flush.lines[0], reason, through)
            if flush.buckets:
                buckets = json.dumps(flush.buckets)
                transaction.run(
                    "log/request_stats_insert", **self._identity, flush_number=flush.number, buckets=buckets
                )
            transaction.run(
                "log/ledger_settle",
                instance_id=self._instance.instance_id,
                accounted_through=last,
                last_sequence=flush.last_sequence,
                dropped=sum(flush.dropped.values()),
                torn_bytes=flush.torn_bytes,
                is_stopped=flush.is_stopped,
                windows=json.dumps(_describe_windows(flush, outcome.hours, windows)),
            )
        return outcome

    def _insert_lines(
        self, transaction: Transaction, flush: Flush, through: int
    ) -> tuple[Outcome, dict[datetime, dict[str, int]], int]:
        if not flush.lines:
            return Outcome(), {}, through
        with transaction.connection.cursor() as cursor:
            cursor.copy_expert(load_statement("log/incoming_copy"), io.BytesIO(b"".join(flush.lines)))
        counts = transaction.fetch("log/predictions_insert", **self._identity, accounted_through=through)
        known, conflicts = sum(count["known"] for count in counts), {}
        if known:
            found = transaction.fetch("log/conflicts_count", model=self._instance.model, accounted_through=through)
            conflicts = {row["window_start"]: row for row in found}
        windows = {count["window_start"]: _describe_window(count, conflicts) for count in counts}
        conflicting = sum(row["conflicting"] for row in conflicts.values())
        outcome = Outcome(
            stored=sum(count["stored"] for count in counts),
            repeated=known - conflicting,
            conflicting=conflicting,
            conflicting_ids=[id_ for row in conflicts.values() for id_ in row["ids"]],
            hours={count["window_start"]: count["count"] for count in counts},
        )
        return outcome, windows, max(count["last_sequence"] for count in counts)

    def _set_aside(
        self, transaction: Transaction, line: bytes, reason: str, through: int
    ) -> tuple[Outcome, dict[datetime, dict[str, int]], int]:
        row = read_head(line)
        hour = find_hour(datetime.fromisoformat(row["created_at"]))
        outcome = Outcome(hours={hour: 1})
        if row["sequence"] <= through:
            return outcome, {}, through
        outcome.refused.append(Refusal(row["sequence"], row["id"], reason))
        text = line.decode(errors="replace").strip()
        transaction.run(
            "log/set_aside_insert", **self._identity, sequence=row["sequence"], row_text=text, reason=reason
        )
        return outcome, {hour: {"set_aside": 1}}, row["sequence"]

    def _connect(self) -> "connection":
        if self._connection is None:
            raw = connect(self._dsn, CONNECT_TIMEOUT_SECONDS, STATEMENT_SECONDS)
            with raw:
                Transaction(raw).run("log/incoming_create")
            self._connection = raw
        return self._connection

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "instance_id": self._instance.instance_id,
            "model": self._instance.model,
            "version": self._instance.version,
            "revision": self._instance.revision,
        }


def is_poison(error: "psycopg2.Error") -> bool:
    """Whether Postgres refuses the rows themselves. Other errors may pass, and another attempt is worth it."""
    return (error.pgcode or "").startswith(POISON_CLASSES)


def read_head(line: bytes) -> dict[str, Any]:
    """The fields before the input in a row's line. The input is not parsed, for it may hold anything."""
    head: dict[str, Any] = json.loads(line.partition(b',"input":')[0] + b"}")
    return head


def find_hour(at: datetime) -> datetime:
    """The start of the hour, in UTC, that a row with this event time counts in."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def add_hours(hours: Hours, others: Hours, sign: int = 1) -> dict[datetime, int]:
    """The sums by hour, or with `sign` -1 the differences. Hours that come to nothing are left out."""
    sums = dict(hours)
    for hour, count in others.items():
        sums[hour] = sums.get(hour, 0) + sign * count
        if sums[hour] <= 0:
            del sums[hour]
    return sums


def _describe_window(count: Row, conflicts: Mapping[datetime, Row]) -> dict[str, int]:
    conflicting = conflicts.get(count["window_start"], {}).get("conflicting", 0)
    return {"stored": count["stored"], "repeated": count["known"] - conflicting, "conflicting": conflicting}


def _describe_windows(flush: Flush, hours: Hours, windows: Mapping[datetime, dict[str, int]]) -> list[dict[str, Any]]:
    nothing = {"stored": 0, "repeated": 0, "conflicting": 0, "set_aside": 0}
    left = add_hours(flush.pending, hours, sign=-1)
    touched = flush.pending.keys() | flush.dropped.keys() | hours.keys()
    return [
        {
            "window_start": hour.isoformat(),
            **nothing,
            **windows.get(hour, {}),
            "pending": left.get(hour, 0),
            "dropped": flush.dropped.get(hour, 0),
        }
        for hour in sorted(touched)
    ]
