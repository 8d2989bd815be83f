"""Labels in bulk, from a file of any kind that `table_file` reads.

Each line is checked by itself. Good labels are copied into the store, and bad lines are reported.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from cyclone.errors import DataError, StoreError
from cyclone.rows.cells import parse_cell
from cyclone.rows.labels import Entry, add_labels
from cyclone.rows.table_file import TableFile
from cyclone.rows.validation import EARLIEST, LABEL_KEYS, find_label_faults, read_time
from cyclone.sections import Label
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import EARLIEST_OF_HISTORY

BATCH_LABELS = 10_000
"""The labels of one transaction. More would use more memory, and lose more work when a load is interrupted."""
COLUMNS = f"{', '.join(LABEL_KEYS)}, where observed_at may be left out"
"""The columns of a file of labels, in words."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file of labels. `number` is its line, or its row in a Parquet file.

    `position` is how far the file was read when the line ended, in bytes, or rows of a Parquet file.
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
    """A file of labels, to be iterated by line. `size` is the `position` at its end, and `unit` is `line` or `row`.

    Errors: `DataError` when it is no file of labels.
    """

    def __init__(self, path: Path, label: Label) -> None:
        self._table = TableFile(path)
        self._label = label
        self.size, self.unit = self._table.size, self._table.unit
        columns = self._table.columns
        if not {"id", "label"} <= set(columns) <= set(LABEL_KEYS):
            shown = ", ".join(map(repr, columns)) or "missing"
            raise DataError(f"{path}: the columns are {shown}. Needed are {COLUMNS}")

    def __iter__(self) -> Iterator[Line]:
        for record in self._table:
            entry: dict[str, Any] = {}
            if not record.fault:
                entry = dict(zip(self._table.columns, record.values, strict=True))
                entry["label"] = parse_cell(self._label, entry["label"])
                entry["observed_at"] = entry.get("observed_at") or None
            yield Line(record.number, entry, record.fault, record.position)


def load_labels(
    store: Store,
    spec: ModelSpec,
    file: LabelFile,
    on_refused: Callable[[int, str], None] = lambda number, reason: None,
    on_progress: Callable[[int], None] = lambda position: None,
    *,
    is_live: bool = True,
) -> Summary:
    """Store every good label of a file, one transaction for each batch. Loading it again changes nothing.

    Labels of a replay may be as old as a history. `on_refused` is called with the number of a bad line and the reason.
    `on_progress` is called with the position up to which everything is stored.
    Errors: `DataError` when the file is no file of labels. `StoreError` saying up to which line all is kept.
    """
    summary = Summary()
    now, earliest, done = datetime.now(UTC), EARLIEST if is_live else EARLIEST_OF_HISTORY, 0
    lines = iter(file)
    while batch := list(islice(lines, BATCH_LABELS)):
        good = []
        for line in batch:
            if reason := line.fault or _find_fault(spec, line, now, earliest):
                summary.refused += 1
                on_refused(line.number, reason)
            else:
                good.append(line)
        try:
            # The order of the file decides between labels of one id.
            entries = [
                {**line.entry, "observed_at": read_time(line.entry["observed_at"], now, earliest)} for line in good
            ]
            _store_batch(store, spec.name, entries, summary, is_live=is_live)
        except StoreError as error:
            words = f"{error}. But every good label up to {file.unit} {done} is kept"
            raise StoreError(f"{words}: load the file again, and none is kept twice") from error
        done = batch[-1].number
        on_progress(batch[-1].position)
    return summary


def _find_fault(spec: ModelSpec, line: Line, now: datetime, earliest: datetime) -> str:
    faults = find_label_faults(spec, line.number, line.entry, now, earliest)
    return ". ".join(f"{fault.feature} is {fault.value!r}, allowed: {fault.allowed}" for fault in faults)


def _store_batch(store: Store, model: str, entries: Sequence[Entry], summary: Summary, *, is_live: bool) -> None:
    if not entries:
        return
    counts = add_labels(store, model, entries, is_live=is_live)
    summary.accepted += counts["added"]
    summary.repeated += counts["count"] - counts["added"]
    summary.unknown_so_far += counts["unknown_so_far"]
