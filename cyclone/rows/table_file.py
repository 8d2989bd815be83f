"""Rows in a file: CSV, gzipped CSV or Parquet, told apart by content. Every file that Cyclone is given is read here.

All cells become texts, those of a Parquet file as a CSV would have them. So the same values mean the same in both.
"""

import gzip
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from cyclone.errors import DataError
from cyclone.rows.csv_records import FileRecord, read_records
from cyclone.wording import count_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

PARQUET, GZIP = b"PAR1", b"\x1f\x8b"
FOREIGN = {
    b"PK\x03\x04": "a zip archive, as Excel's files are",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"ARROW1": "an Arrow file",
}
"""Files that are often mistaken for tables, by their first bytes."""
ALLOWED = "Needed is a CSV file in UTF-8, which may be gzipped, or a Parquet file"
BATCH_ROWS = 10_000
"""So many rows of a Parquet file are read together. More would take memory, and fewer more calls."""


class TableFile:
    """A file of rows, to be iterated by record. Each has as many values as there are `columns`, or a fault.

    `size` is the `position` at the end of the file. `unit` is `line` or `row`, and says what numbers count.
    Errors: `DataError` naming what the file is, or the line up to which it can be read.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            found = "it is no file but a folder" if path.is_dir() else "there is no such file"
            raise DataError(f"{path}: {found}. {ALLOWED}")
        self.path = path
        self._is_parquet = _read_start(path)[:4] == PARQUET
        self.unit = "row" if self._is_parquet else "line"
        if self._is_parquet:
            parquet = _open_parquet(path)
            self.columns, self.size = list(parquet.schema_arrow.names), parquet.metadata.num_rows
        else:
            header = next(self._read_csv(), None)
            if header and header.fault:
                raise DataError(f"{self.name(header.number)}: {header.fault}. {ALLOWED}")
            self.columns, self.size = [value.strip() for value in header.values] if header else [], path.stat().st_size
        if repeated := [name for name in self.columns if self.columns.count(name) > 1]:
            raise DataError(f"{path}: there are {self.columns.count(repeated[0])} columns {repeated[0]!r}. Keep one")

    def __iter__(self) -> Iterator[FileRecord]:
        if self._is_parquet:
            yield from _read_parquet(self.path)
            return
        records = self._read_csv()
        next(records, None)
        for record in records:
            found, needed = len(record.values), len(self.columns)
            fault = record.fault
            if not fault and found != needed:
                fault = f"{count_of(found, 'value')}, where the header has {count_of(needed, 'column')}"
            yield FileRecord(record.number, record.values, fault, record.position)

    def name(self, number: int) -> str:
        """A place in the file in words, such as `rows.csv, line 3`."""
        return f"{self.path}, {self.unit} {number}"

    def _read_csv(self) -> Iterator[FileRecord]:
        number = 0
        try:
            with self.path.open("rb") as raw:
                is_packed = raw.read(2) == GZIP
                raw.seek(0)
                file = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if is_packed else raw
                for record in read_records(file, raw.tell):
                    number = record.number
                    yield record
        except (OSError, EOFError, zlib.error, UnicodeError) as error:
            raise DataError(f"{self.path}: cannot be read after line {number}: {error}. {ALLOWED}") from error


def _read_start(path: Path) -> bytes:
    """The first bytes of what a file holds. Errors: `DataError` when they are those of something else than a table."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith(GZIP):
            with gzip.open(path) as packed:
                start = packed.read(8)
            if start.startswith((PARQUET, GZIP)):
                raise DataError(f"{path}: it is packed with gzip, and what is in it as well. Unpack it once")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}. {ALLOWED}") from error
    for mark, words in FOREIGN.items():
        if start.startswith(mark):
            raise DataError(f"{path}: it is {words}. {ALLOWED}")
    is_marked = start.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"))
    if b"\x00" in start and not is_marked and not start.startswith(PARQUET):
        raise DataError(f"{path}: it has zero bytes, as UTF-16 without a byte order mark has. {ALLOWED}")
    return start


def _open_parquet(path: Path) -> "pq.ParquetFile":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: not a Parquet file: {error}. {ALLOWED}") from error
    for field in parquet.schema_arrow:
        if pa.types.is_nested(field.type):
            raise DataError(f"{path}: column {field.name!r} is {field.type}. Store one value in each cell")
    return parquet


def _read_parquet(path: Path) -> Iterator[FileRecord]:
    import pyarrow as pa

    parquet, number = _open_parquet(path), 0
    try:
        for batch in parquet.iter_batches(BATCH_ROWS):
            for values in zip(*(_spell(column) for column in batch.columns), strict=True):
                number += 1
                yield FileRecord(number, list(values), "", number)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read after row {number}: {error}") from error


def _spell(column: "pa.Array") -> Sequence[str]:
    """The cells of a column as a CSV has them: null and NaN are empty, and a number has the digits that it needs."""
    import numpy as np
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _spell(column.dictionary_decode())
    if pa.types.is_floating(kind):
        # The shortest text that gives the number again, of a float32 too. Arrow would write 17.0 as 17.
        spell: Callable[[float], str] = repr if pa.types.is_float64(kind) else lambda value: str(narrow(value))
        narrow = np.float16 if pa.types.is_float16(kind) else np.float32
        # pandas keeps a missing number as NaN, and writes it to a CSV as an empty cell.
        return ["" if value is None or math.isnan(value) else spell(value) for value in column.to_pylist()]
    return ["" if value is None else value for value in column.cast(pa.string()).to_pylist()]
