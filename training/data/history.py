"""A model's history: rows known before Cyclone, read from a file, checked, and brought into the store."""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.errors import ConfigurationError, DataError
from cyclone.image_contract import SPEC_FILE
from cyclone.releases import current_release
from cyclone.rows.cells import parse_cell
from cyclone.rows.csv_records import FileRecord
from cyclone.rows.frames import LABEL_TYPES, frame_from_rows
from cyclone.rows.table_file import TableFile
from cyclone.rows.validation import (
    CLOCK_SKEW,
    describe_allowed,
    is_allowed,
    show_value,
    validate_rows,
)
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store, Transaction
from cyclone.times import EARLIEST_OF_HISTORY, floor_month

if TYPE_CHECKING:
    import pandas as pd

# So many rows are checked together. It bounds the memory of the checks, and fewer calls are faster.
BATCH_ROWS = 5000


def read_history(spec: ModelSpec, folder: Path) -> Iterator[Row]:
    """Every row of the file `<folder>/<spec.history>`, in the file's order. It is CSV, gzipped CSV or Parquet.

    A row has `created_at` (UTC), `features` and `label`.
    Errors: those of `scan_history`, and `DataError` for the first row that cannot be used.
    """
    for row in scan_history(spec, folder):
        if isinstance(row, str):
            raise DataError(row)
        yield row


def scan_history(spec: ModelSpec, folder: Path) -> Iterator[Row | str]:
    """The rows as `read_history` gives them. In place of a row that cannot be used stands what is wrong with it.

    Errors: `ConfigurationError` when the file is missing. `DataError` when it is no table with the columns needed.
    """
    table = TableFile(find_history(spec, folder))
    _check_header(spec, table)
    now = datetime.now(UTC)
    records = iter(table)
    while batch := list(islice(records, BATCH_ROWS)):
        yield from _parse_batch(spec, table, batch, now)


def read_history_frame(spec: ModelSpec, folder: Path) -> "pd.DataFrame":
    """The rows of the history file as a frame with `created_at` (UTC), the features and `label`.

    Errors: those of `read_history`.
    """
    import pandas as pd

    rows = list(read_history(spec, folder))
    frame = frame_from_rows(spec, [row["features"] for row in rows])
    frame.insert(0, "created_at", pd.to_datetime([row["created_at"] for row in rows], utc=True))
    frame["label"] = pd.Series([row["label"] for row in rows], dtype=LABEL_TYPES[spec.label.type])
    return frame


def load_history(store: Store, spec: ModelSpec, folder: Path) -> int:
    """Bring the history before `history_until` into the store, and return the number of rows that changed there.

    The store then holds what the file holds. A corrected row takes the place of the one that was loaded before, and a
    row that is in the file no more goes. The whole file is loaded or nothing: an invalid row leaves the store as it
    was. No version predicted these rows, so they have neither version nor prediction. A label counts as known
    `expected_delay_hours` after its row.
    Errors: those of `read_history`.
    """
    until = parse_time(spec.history_until) if spec.history_until else None
    rows = [row for row in read_history(spec, folder) if until is None or row["created_at"] < until]
    delay = timedelta(hours=spec.label.expected_delay_hours)
    with store.transaction() as transaction:
        transaction.run("training/history_stage")
        _copy(transaction, _to_records(rows, delay))
        _ensure_partitions(transaction, "prediction_log", {row["created_at"] for row in rows})
        _ensure_partitions(transaction, "label", {row["created_at"] + delay for row in rows})
        removed = transaction.fetch_one("training/history_remove", model=spec.name) or {"removed": 0}
        inserted = transaction.fetch_one("training/history_insert", model=spec.name) or {"inserted": 0}
        transaction.run("training/history_note", model=spec.name, fingerprint=_compute_fingerprint(spec, folder))
    return max(int(removed["removed"]), int(inserted["inserted"]))


def bring_history(settings: Settings, spec: ModelSpec) -> int:
    """Load the history file of a model before its first version, and again when it was corrected since.

    The number of rows that changed in the store. Errors: those of `load_history`.
    """
    store, folder = Store(settings.store_dsn), settings.models_dir / spec.name
    if spec.history is None:
        return 0
    loaded = store.fetch_one("training/history_loaded", model=spec.name)
    if loaded is None and current_release(store, spec.name):
        return 0
    if loaded and loaded["fingerprint"] == _compute_fingerprint(spec, folder):
        return 0
    return load_history(store, spec, folder)


def parse_time(text: str) -> datetime:
    """The time in UTC that an ISO text names. A text without an offset is in UTC. Errors: `ValueError`."""
    time = datetime.fromisoformat(text)
    try:
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"{text} lies outside the years 1 to 9999 in UTC") from error


def _compute_fingerprint(spec: ModelSpec, folder: Path) -> str:
    """The sha256 of the history file, and of what model.yaml makes of it."""
    read_as = spec.model_dump_json(include={"features", "label", "history_until"})
    with find_history(spec, folder).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha256(read_as.encode())).hexdigest()


def find_history(spec: ModelSpec, folder: Path) -> Path:
    """The path of the history file. Errors: `ConfigurationError` when model.yaml names none, or it is not there."""
    if spec.history is None:
        raise ConfigurationError(
            f"{folder / SPEC_FILE}: history is not set. Set it to the name of a file in the model's folder"
        )
    path = folder / spec.history
    if not path.is_file():
        raise ConfigurationError(
            f"{folder / SPEC_FILE}: history {spec.history!r}: {path} does not exist. Put the file there, or correct"
            " history"
        )
    return path


def _check_header(spec: ModelSpec, table: TableFile) -> None:
    needed = ["created_at", *spec.feature_names, spec.label.name]
    missing = [name for name in needed if name not in set(table.columns)]
    if missing:
        raise DataError(
            f"{table.path}: no column {', '.join(missing)}. Needed are {', '.join(needed)}. Add the missing ones"
        )


def _parse_batch(spec: ModelSpec, table: TableFile, batch: list[FileRecord], now: datetime) -> list[Row | str]:
    rows = [_parse_record(spec, table, record, now) for record in batch]
    places = [place for place, row in enumerate(rows) if not isinstance(row, str)]
    parsed = [row["features"] for row in rows if not isinstance(row, str)]
    # Each refused row has one error or more, and all that are in this batch are wanted.
    for error in reversed(validate_rows(spec, parsed, limit=len(parsed) * len(spec.features) + 1)):
        place = places[error.index]
        rows[place] = _refuse(table, batch[place], error.feature, error.value, error.allowed)
    return rows


def _parse_record(spec: ModelSpec, table: TableFile, record: FileRecord, now: datetime) -> Row | str:
    if record.fault:
        return f"{table.name(record.number)}: {record.fault}. Correct the {table.unit}"
    cells = dict(zip(table.columns, record.values, strict=True))
    created_at = _read_time(cells["created_at"], now)
    if created_at is None:
        allowed = f"an ISO time from {EARLIEST_OF_HISTORY:%Y-%m-%d} to now, e.g. 2011-01-31T23:00:00Z"
        return _refuse(table, record, "created_at", show_value(cells["created_at"]), allowed)
    label = parse_cell(spec.label, cells[spec.label.name])
    if not is_allowed(spec.label, label):
        return _refuse(table, record, spec.label.name, show_value(label), describe_allowed(spec.label))
    features = {feature.name: parse_cell(feature, cells[feature.name]) for feature in spec.features}
    return {"created_at": created_at, "features": features, "label": label}


def _read_time(text: str, now: datetime) -> datetime | None:
    try:
        time = parse_time(text)
    except ValueError:
        return None
    return time if EARLIEST_OF_HISTORY <= time <= now + CLOCK_SKEW else None


def _refuse(table: TableFile, record: FileRecord, column: str, value: Any, allowed: str) -> str:
    return f"{table.name(record.number)}: {column} is {value!r}, allowed: {allowed}. Correct the {table.unit}"


def _to_records(rows: list[Row], delay: timedelta) -> Iterator[tuple[str, str, str, str, str]]:
    """Lines for the store with id, created_at, input, label and observed_at.

    The id is made from the time. From the second row of one moment on it ends with `-2`, `-3` and so on.
    """
    # So the same file gives the same ids, and loading it again brings nothing twice.
    seen: Counter[str] = Counter()
    for row in rows:
        moment = f"{row['created_at']:%Y-%m-%dT%H:%M:%SZ}"
        seen[moment] += 1
        suffix = f"-{seen[moment]}" if seen[moment] > 1 else ""
        observed_at = row["created_at"] + delay
        features, label = json.dumps(row["features"]), json.dumps(row["label"])
        yield (
            f"history-{moment}{suffix}",
            row["created_at"].isoformat(),
            features,
            label,
            observed_at.isoformat(),
        )


def _ensure_partitions(transaction: Transaction, parent: str, moments: set[datetime]) -> None:
    months = {floor_month(moment) for moment in moments}
    transaction.fetch("log/partitions_ensure", parent=parent, moments=sorted(months))


def _copy(transaction: Transaction, records: Iterable[tuple[str, ...]]) -> None:
    lines = io.StringIO()
    csv.writer(lines).writerows(records)
    lines.seek(0)
    transaction.copy_in("training/history_copy", lines)
