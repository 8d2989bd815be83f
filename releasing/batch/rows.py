"""The rows of a batch: those of a file or of a query, each with the id of its prediction."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclone.errors import DataError
from cyclone.rows.cells import parse_cell
from cyclone.rows.csv_records import FileRecord
from cyclone.rows.table_file import TableFile
from cyclone.spec import ModelSpec

ID_DIGITS = 16
"""The digits of a file's hash in its rows' ids. 64 bits keep the ids of a million files apart."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row to score. `number` is its line, or its row in a Parquet file. `fault` says why it cannot be read."""

    number: int
    id: str
    features: dict[str, Any]
    created_at: str | None
    fault: str


class BatchRows:
    """The rows of a table, to be iterated. The columns are the features, and if known `id` and `created_at`.

    Other columns are not read. Without `id` a row's id is made of the file's content and the row's number. So the same
    file has the same ids whenever it is read, and its rows are logged once.
    Errors: `DataError` when a feature has no column.
    """

    def __init__(self, spec: ModelSpec, path: Path, name: str) -> None:
        self._table, self._spec, self.name = TableFile(path), spec, name
        self.unit, self.size = self._table.unit, self._table.size
        columns = set(self._table.columns)
        missing = [item.name for item in spec.features if item.name not in columns and not item.nullable]
        if missing:
            raise DataError(
                f"{name}: no column {', '.join(missing)}. Needed are {', '.join(spec.feature_names)}, and if known id"
                " and created_at. Add the missing ones"
            )
        self._features = [item for item in spec.features if item.name in columns]
        self._has_id, self._has_time = "id" in columns, "created_at" in columns
        with path.open("rb") as file:
            self._prefix = f"batch-{hashlib.file_digest(file, 'sha256').hexdigest()[:ID_DIGITS]}"

    def __iter__(self) -> Iterator[tuple[BatchRow, int]]:
        """Each row, with the position in the file at its end."""
        for record in self._table:
            yield self._parse(record), record.position

    def _parse(self, record: FileRecord) -> BatchRow:
        own = f"{self._prefix}-{record.number}"
        if record.fault:
            return BatchRow(record.number, own, {}, None, record.fault)
        cells = dict(zip(self._table.columns, record.values, strict=True))
        features = {item.name: parse_cell(item, cells[item.name]) for item in self._features}
        time = cells["created_at"] if self._has_time else None
        return BatchRow(record.number, cells["id"] if self._has_id else own, features, time, "")
