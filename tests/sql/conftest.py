"""A store whose tables tests fill with plain rows."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg2 import sql
from psycopg2.extras import Json

from cyclone.store import Store

ERRORS = ("error_rollup", "confusion_rollup")
LABEL_DELAY = timedelta(days=1)
"""Of bike_demand. A row of errors says when its labels were due, so its predictions were made a day before."""
JSON_COLUMNS = {"input", "prediction", "label"}
DEFAULTS: dict[str, dict[str, Any]] = {
    "reference_profile": {
        "version": 1,
        "mlflow_run_id": "run",
        "metric": "mean_absolute_error",
        "accepted_error": 10.0,
        "sample_size": 100,
        "created_at": "2011-02-01T00:00Z",
    },
    "reference_bin": {"version": 1, "is_calendar": False},
    "feature_rollup": {"version": 1},
    "error_rollup": {"version": 1, "known_day": "2011-01-01T00:00Z"},
    "confusion_rollup": {"version": 1, "known_day": "2011-01-01T00:00Z"},
    "request_stat": {
        "version": 1,
        "revision": "champion",
        "instance_id": "instance",
        "rejected": 0,
        "failures": 0,
        "latency_ms_sum": 0.0,
        "latency_counts": [0] * 13,
        "bucket_start": "2011-03-01T00:00Z",
        "stored_at": "2026-01-01T00:00Z",
    },
    "request_rollup": {
        "version": 1,
        "rejected": 0,
        "failures": 0,
        "latency_ms_sum": 0.0,
        "latency_counts": [0] * 13,
    },
    "log_window": {"stored": 0, "repeated": 0, "set_aside": 0, "dropped": 0, "pending": 0},
    "release": {
        "version": 1,
        "revision": "champion",
        "image": "image",
        "image_digest": "digest",
        "run_id": "first",
        "state": "champion",
        "traffic_percent": 100,
        "created_at": "2011-02-01T00:00Z",
        "promoted_at": "2011-02-01T00:00Z",
    },
    "prediction_log": {
        "version": 1,
        "revision": "champion",
        "input": {},
        "created_at": "2011-03-01T00:00Z",
        "stored_at": "2026-01-01T00:00Z",
    },
    "label": {"observed_at": "2011-03-02T00:00Z"},
    "instance_ledger": {
        "version": 1,
        "revision": "champion",
        "started_at": "2026-01-01T00:00Z",
        "last_seen_at": "2026-01-01T00:59:55Z",
        "handed_over": 0,
        "dropped": 0,
        "repeated": 0,
    },
}

Row = Mapping[str, Any]
Insert = Callable[[str, Sequence[Row]], None]


@pytest.fixture
def insert(store: Store) -> Insert:
    """`insert(table, rows)`: rows of the model `bike_demand`. Columns left out take the defaults above.

    `repeat: n` inserts a row n times with ids of its own, as `flush_number` or `id`. With `apart: s` each is stored s
    seconds after the one before. Each logged row is a request of its own, unless `latency_ms` says otherwise.
    """

    def insert_rows(table: str, rows: Sequence[Row]) -> None:
        with store.transaction() as transaction, transaction.connection.cursor() as cursor:
            for number, row in enumerate(rows):
                for copy in range(row.get("repeat", 1)):
                    _insert_row(cursor, table, _complete(table, row, f"{number}-{copy}", copy))

    return insert_rows


@pytest.fixture
def first_champion(insert: Insert) -> None:
    """Version 1, accepted with an error of 10, serves from 1 February 2011 on."""
    insert("reference_profile", [{}])
    insert("release", [{}])


def _complete(table: str, row: Row, key: str, copy: int) -> dict[str, Any]:
    complete = {"model": "bike_demand", **DEFAULTS[table], **row}
    complete.pop("repeat", None)
    if apart := complete.pop("apart", 0):
        complete["stored_at"] = as_datetime(complete["stored_at"]) + timedelta(seconds=apart * copy)
    if table == "prediction_log":
        complete.setdefault("latency_ms", int(key.replace("-", "0")))
    if table == "log_window":
        complete.pop("model")
    if table in ERRORS:
        complete["bucket_start"] = as_datetime(complete["bucket_start"]) - LABEL_DELAY
    if table == "request_stat":
        complete.setdefault("flush_number", int(key.replace("-", "0")))
    if table in ("prediction_log", "label"):
        complete.setdefault("id", key)
    return complete


def as_datetime(value: Any) -> datetime:
    """A time of a case. YAML reads some of them as text."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _insert_row(cursor: Any, table: str, row: dict[str, Any]) -> None:
    if table == "prediction_log":
        _insert_row(cursor, "prediction_id", {key: row[key] for key in ("model", "id", "created_at")})
    if table in ("prediction_log", "label"):
        at = row["created_at" if table == "prediction_log" else "observed_at"]
        cursor.execute("SELECT ensure_partition(%s, %s::timestamptz)", (table, at))
    is_log = table in ("prediction_log", "label")
    values = {key: Json(value) if is_log and key in JSON_COLUMNS else value for key, value in row.items()}
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
    )
    cursor.execute(statement, values)
