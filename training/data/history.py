"""A model's history: rows known before Cyclone, read from a file, checked, and brought into the store."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cyclone.errors import ConfigurationError, DataError
from cyclone.image_contract import SPEC_FILE
from cyclone.releases import current_release
from cyclone.rows.cells import parse_cell
from cyclone.rows.frames import LABEL_TYPES, frame_from_rows
from cyclone.rows.validation import describe_allowed, is_allowed, validate_rows
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store, Transaction
from cyclone.times import floor_month

if TYPE_CHECKING:
    import pandas as pd

# So many rows are checked together. It bounds the memory of the checks, and fewer calls are faster.
BATCH_ROWS = 5000


def read_history(spec: ModelSpec, folder: Path) -> Iterator[Row]:
    """Every row of the CSV file `<folder>/<spec.history>`, in the file's order.

    A row has `created_at` (UTC), `features` and `label`.
    Errors: `ConfigurationError` when the file is missing. `DataError` naming line, column and value, and what is
    allowed.
    """
    path = _find_history(spec, folder)
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        _check_header(spec, path, reader.fieldnames or [])
        while batch := _read_batch(path, reader):
            yield from _parse_batch(spec, path, batch)


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
    """Bring the history before `history_until` into the store, and return the number of rows that are new there.

    The whole file is loaded or nothing: an invalid row leaves the store as it was. No version predicted these rows, so
    they have neither version nor prediction. A label counts as observed `expected_delay_hours` after its row.
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
        inserted = transaction.fetch_one("training/history_insert", model=spec.name)
    return int(inserted["inserted"]) if inserted else 0


def bring_history(settings: Settings, spec: ModelSpec) -> int:
    """Load the history file of a model if no version of it serves yet. The number of rows that are new in the store.

    Errors: those of `load_history`.
    """
    store = Store(settings.store_dsn)
    if spec.history is None or current_release(store, spec.name):
        return 0
    return load_history(store, spec, settings.models_dir / spec.name)


def parse_time(text: str) -> datetime:
    """The time in UTC that an ISO text names. A text without an offset is in UTC. Errors: `ValueError`."""
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _find_history(spec: ModelSpec, folder: Path) -> Path:
    if spec.history is None:
        raise ConfigurationError(
            f"{folder / SPEC_FILE}: history is not set. Set it to the name of a CSV file in the model's folder"
        )
    path = folder / spec.history
    if not path.is_file():
        raise ConfigurationError(
            f"{folder / SPEC_FILE}: history {spec.history!r}: {path} does not exist. Put the file there, or correct"
            " history"
        )
    return path


def _check_header(spec: ModelSpec, path: Path, columns: Iterable[str]) -> None:
    needed = ["created_at", *spec.feature_names, spec.label.name]
    missing = [name for name in needed if name not in set(columns)]
    if missing:
        raise DataError(
            f"{path}, line 1: no column {', '.join(missing)}. Needed are {', '.join(needed)}. Add the missing ones"
        )


def _read_batch(path: Path, reader: "csv.DictReader[str]") -> list[tuple[int, dict[str, str]]]:
    try:
        return [(reader.line_num, record) for record in islice(reader, BATCH_ROWS)]
    except csv.Error as error:
        words = f"not CSV after line {reader.line_num}: {error}. Look for a quote that is never closed"
        raise DataError(f"{path}: {words}") from error


def _parse_batch(spec: ModelSpec, path: Path, batch: list[tuple[int, dict[str, str]]]) -> list[Row]:
    rows = [_parse_record(spec, path, line, record) for line, record in batch]
    errors = validate_rows(spec, [row["features"] for row in rows])
    if errors:
        first = errors[0]
        line = batch[first.index][0]
        raise DataError(
            f"{path}, line {line}: {first.feature} is {first.value!r}, allowed: {first.allowed}. Correct the line"
        )
    return rows


def _parse_record(spec: ModelSpec, path: Path, line: int, record: dict[str, str]) -> Row:
    if any(value is None for value in record.values()) or None in record:
        raise DataError(f"{path}, line {line}: the number of values is not that of the header. Correct the line")
    try:
        created_at = parse_time(record["created_at"])
    except ValueError as error:
        allowed = "an ISO time, e.g. 2011-01-31T23:00:00Z"
        value = record["created_at"]
        raise DataError(
            f"{path}, line {line}: created_at is {value!r}, allowed: {allowed}. Correct the line"
        ) from error
    label = parse_cell(spec.label, record[spec.label.name])
    if not is_allowed(spec.label, label):
        allowed = describe_allowed(spec.label)
        raise DataError(f"{path}, line {line}: {spec.label.name} is {label!r}, allowed: {allowed}. Correct the line")
    features = {feature.name: parse_cell(feature, record[feature.name]) for feature in spec.features}
    return {"created_at": created_at, "features": features, "label": label}


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
