"""The data that a new model begins with: the columns of a file or of a query, as texts."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cyclone.errors import DataError
from cyclone.rows.table_file import TableFile
from cyclone.store import Store
from training.checking.sample import Thinned
from training.starting.moments import is_time
from training.starting.numbers import is_number

MOST_COLUMNS = 1000
"""The most columns. A row of more is slow to send and to check, and hardly any of them would matter."""
KEPT_CELLS = 2_000_000
"""The most cells that are kept. Of more rows every n-th is. Four million of them took more than a gigabyte."""
DSN_SCHEMES = ("postgresql://", "postgres://")
SHOWN_COLUMNS = 5


@dataclass(frozen=True)
class DataSource:
    """Columns of texts by name. `numbers` are the lines of the rows, or their numbers in a Parquet file.

    `count` rows were read, of which every `step`-th is here.
    """

    name: str
    unit: str
    columns: dict[str, list[str]]
    numbers: list[int]
    count: int
    step: int

    def place(self, row: int) -> str:
        """A row in words, such as `rows.csv, line 3`."""
        return f"{self.name}, {self.unit} {self.numbers[row]}"


def read_source(place: str, query: str) -> DataSource:
    """Read a CSV or Parquet file, or what a query of a Postgres gives.

    Errors: `DataError` with the line and what to do, when it is no table with names and rows.
    """
    with open_table(place, query) as (path, name):
        table = TableFile(path)
        _check_header(name, table.columns)
        rows: Thinned[tuple[int, list[str]]] = Thinned(max(1, KEPT_CELLS // len(table.columns)))
        shared: dict[str, str] = {}
        for record in table:
            if record.fault:
                raise DataError(f"{name}, {table.unit} {record.number}: {record.fault}. Correct the {table.unit}")
            rows.add((record.number, [shared.setdefault(text, text) for text in record.values]))
            if len(shared) > KEPT_CELLS:
                shared.clear()
    if not rows.items:
        raise DataError(f"{name}: it has names of columns, but no row. Needed are rows with their labels")
    columns = zip(*(values for _, values in rows.items), strict=True)
    named = {column: list(texts) for column, texts in zip(table.columns, columns, strict=True)}
    return DataSource(name, table.unit, named, [number for number, _ in rows.items], rows.count, rows.step)


@contextmanager
def open_table(place: str, query: str) -> Iterator[tuple[Path, str]]:
    """A file with the rows, and the name that errors give it."""
    if not place.startswith(DSN_SCHEMES):
        if query:
            raise DataError(f"--query is for a Postgres, and --from {place} is a file. Leave one of them out")
        if "://" in place:
            scheme = place.partition("://")[0]
            raise DataError(
                f"--from {place}: {scheme} is not read. Allowed are a file of this machine, which may be downloaded"
                " first, and the URI of a Postgres"
            )
        yield Path(place), place
        return
    if not query:
        raise DataError("--from is a Postgres: add --query with the SELECT whose rows the model begins with")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("wb") as file, Store(place).transaction("read") as transaction:
            transaction.copy_query_out(query, file)
        yield path, "the query's answer"


def _check_header(name: str, columns: list[str]) -> None:
    if not columns:
        raise DataError(f"{name}: the file is empty. Needed are names of columns in the first line, and rows below")
    if len(columns) > MOST_COLUMNS:
        raise DataError(
            f"{name}: it has {len(columns):,} columns, and {MOST_COLUMNS:,} are allowed. Keep those that can tell"
            " something about the label"
        )
    data = [text for text in columns if is_number(text) or is_time(text)]
    if len(data) * 2 >= len(columns):
        shown = ", ".join(map(repr, columns[:SHOWN_COLUMNS]))
        raise DataError(f"{name}: the first line has data where names of columns belong: {shown}. Add a line of names")
