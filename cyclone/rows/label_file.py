"""Labels in bulk, from a CSV or Parquet file.

Each line is checked by itself. Good labels are copied into the store, and bad lines are reported.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cyclone.errors import DataError, StoreError
from cyclone.rows.cells import parse_cell
from cyclone.rows.validation import LABEL_KEYS, find_label_faults, read_time
from cyclone.sections import Label
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import floor_month

if TYPE_CHECKING:
    import pyarrow.parquet as pq

BATCH_LABELS = 10_000
"""The labels of one transaction. More would use more memory, and lose more work when a load is interrupted."""
LINE_BYTES = 8192
"""The most bytes of a line. The longest label needs fewer, and a file without line ends cannot fill the memory."""
COLUMNS = f"{', '.join(LABEL_KEYS)}, where observed_at may be left out"
"""The columns of a file of labels, in words."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file of labels. Lines count from 1, which is the header in a CSV.

    `position` is how far the file was read when the line ended, in bytes of a CSV or rows of a Parquet file.
    """

    number: int
    entry: dict[str, Any]
    fault: str
    """Why the line cannot be read. Empty when it can."""
    position: int


@dataclass(slots=True)
class Summary:
    """What became of the labels of a file, in counts.

    `accepted` labels were new, and `repeated` ones were known already. `unknown_so_far` of both have no prediction yet.
    """

    accepted: int = 0
    repeated: int = 0
    unknown_so_far: int = 0
    refused: int = 0


class LabelFile:
    """A file of labels, to be iterated by line. `size` is the `position` at the end of the file.

    Errors: `DataError` when it is no file of labels.
    """

    def __init__(self, path: Path, label: Label) -> None:
        if not path.is_file():
            raise DataError(f"{path}: there is no such file. A CSV or Parquet file with {COLUMNS} is needed")
        if path.suffix.lower() not in (".csv", ".parquet"):
            raise DataError(f"{path}: the name ends with {path.suffix!r}. It has to end with .csv or .parquet")
        self.path = path
        self._label = label
        self._is_parquet = path.suffix.lower() == ".parquet"
        self.size = open_parquet(path).metadata.num_rows if self._is_parquet else path.stat().st_size

    def __iter__(self) -> Iterator[Line]:
        if self._is_parquet:
            yield from _read_parquet(self.path)
        else:
            with self.path.open("rb") as file:
                yield from _read_csv(self.path, file, self._label)


def load_labels(
    store: Store,
    spec: ModelSpec,
    file: LabelFile,
    on_refused: Callable[[int, str], None] = lambda number, reason: None,
    on_progress: Callable[[int], None] = lambda position: None,
) -> Summary:
    """Store every good label of a file, one transaction for each batch. Loading it again changes nothing.

    `on_refused` is called with the number of a bad line and the reason. `on_progress` is called with the position up
    to which everything is stored.
    Errors: `DataError` when the file is no file of labels. `StoreError` saying up to which line all is kept.
    """
    summary = Summary()
    now, done = datetime.now(UTC), 0
    lines = iter(file)
    while batch := list(islice(lines, BATCH_LABELS)):
        good = []
        for line in batch:
            if reason := line.fault or _find_fault(spec, line, now):
                summary.refused += 1
                on_refused(line.number, reason)
            else:
                good.append(line)
        try:
            _store_batch(store, spec.name, good, now, summary)
        except StoreError as error:
            words = (
                f"{error}. But every good label up to line {done} is kept: load the file again, and none is kept twice"
            )
            raise StoreError(words) from error
        done = batch[-1].number
        on_progress(batch[-1].position)
    return summary


def open_parquet(path: Path) -> "pq.ParquetFile":
    """A Parquet file of labels. Errors: `DataError` when it is not readable, or has other columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: not a Parquet file: {error}") from error
    schema = parquet.schema_arrow
    _check_columns(path, schema.names)
    if "observed_at" in schema.names:
        kind = schema.field("observed_at").type
        if pa.types.is_timestamp(kind) and kind.tz is None:
            raise DataError(f"{path}: observed_at is {kind}, without a time zone. Store it with one")
    return parquet


def _read_csv(path: Path, file: BinaryIO, label: Label) -> Iterator[Line]:
    header = file.readline(LINE_BYTES)
    names = _split(header.decode("utf-8-sig", "replace"))
    columns = [] if isinstance(names, str) else [name.strip() for name in names]
    _check_columns(path, columns)
    number, position = 1, len(header)
    while content := file.readline(LINE_BYTES):
        number += 1
        position += len(content)
        if len(content) == LINE_BYTES and not content.endswith(b"\n"):
            position += _skip_line(file)
            yield Line(number, {}, f"the line is longer than {LINE_BYTES} bytes", position)
        elif content.strip():
            yield _read_line(number, content, columns, label, position)


def _read_line(number: int, content: bytes, columns: list[str], label: Label, position: int) -> Line:
    values: list[str] | str
    try:
        values = _split(content.decode())
    except UnicodeDecodeError as error:
        values = f"not UTF-8 from byte {error.start + 1} on"
    if isinstance(values, list) and len(values) != len(columns):
        values = f"{len(values)} values, where the header has {len(columns)} columns"
    if isinstance(values, str):
        return Line(number, {}, values, position)
    entry: dict[str, Any] = dict(zip(columns, values, strict=True))
    entry["label"] = parse_cell(label, entry["label"])
    entry["observed_at"] = entry.get("observed_at") or None
    return Line(number, entry, "", position)


def _split(text: str) -> list[str] | str:
    """The values of a line of CSV, or the reason why it has none.

    Each line is one record, so that an open quote spoils no other line.
    """
    try:
        return next(csv.reader([text.rstrip("\r\n")], strict=True), [])
    except csv.Error as error:
        return f"not a line of CSV: {error}"


def _skip_line(file: BinaryIO) -> int:
    skipped = 0
    while content := file.readline(LINE_BYTES):
        skipped += len(content)
        if content.endswith(b"\n"):
            break
    return skipped


def _read_parquet(path: Path) -> Iterator[Line]:
    import pyarrow as pa

    parquet, number = open_parquet(path), 0
    try:
        for batch in parquet.iter_batches(BATCH_LABELS):
            for entry in batch.to_pylist():
                number += 1
                yield Line(number, _name_plainly(entry), "", number)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read after row {number}: {error}") from error


def _name_plainly(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as the store knows it. An id that is an integer becomes text, and a time becomes an ISO text."""
    id_, at = entry["id"], entry.get("observed_at")
    if isinstance(id_, int) and not isinstance(id_, bool):
        entry["id"] = str(id_)
    entry["observed_at"] = at.isoformat() if isinstance(at, datetime) else at
    return entry


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    is_complete = {"id", "label"} <= set(columns) <= set(LABEL_KEYS)
    if not is_complete or len(set(columns)) != len(columns):
        raise DataError(f"{path}: the columns are {', '.join(map(repr, columns)) or 'missing'}. Needed are {COLUMNS}")


def _find_fault(spec: ModelSpec, line: Line, now: datetime) -> str:
    faults = find_label_faults(spec, line.number, line.entry, now)
    return ". ".join(f"{fault.feature} is {fault.value!r}, allowed: {fault.allowed}" for fault in faults)


def _store_batch(store: Store, model: str, lines: Sequence[Line], now: datetime, summary: Summary) -> None:
    if not lines:
        return
    text, months = io.StringIO(), set()
    writer = csv.writer(text)
    for line in lines:
        told = read_time(line.entry["observed_at"], now)
        # The order of the file decides between labels of one id that are all observed now.
        at = told or now + timedelta(microseconds=line.number)
        months.add(floor_month(at))
        writer.writerow((line.number, line.entry["id"], json.dumps(line.entry["label"]), at.isoformat(), told is None))
    text.seek(0)
    # In a transaction of its own, because it locks the table.
    store.fetch("log/partitions_ensure", parent="label", moments=sorted(months))
    with store.transaction() as transaction:
        transaction.run("log/label_file_create")
        transaction.copy_in("log/label_file_copy", text)
        counts = transaction.fetch_one("log/label_file_move", model=model) or {}
    summary.accepted += counts["accepted"]
    summary.repeated += counts["repeated"]
    summary.unknown_so_far += counts["unknown_so_far"]
