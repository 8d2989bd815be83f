"""Rows and labels from the training store as Arrow tables.

Both are copied at the same time from one snapshot, and parsed as they arrive. Postgres needs most of the time, to turn
JSONB into text. benchmarks/backtest.py measures it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec
from cyclone.store import Store, Transaction

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, LABELS, NEWEST_LABELS = "training/rows_copy", "training/labels_copy", "training/newest_labels_copy"
KEYS = 2
"""The columns before the features: `id` and `created_at`."""
STATEMENTS = (ROWS, LABELS, NEWEST_LABELS)
"""The statements whose text is part of every fingerprint, comments included.

Any change to these files gives the same rows another fingerprint. Then `cyclone reproduce` refuses rows of the store.
"""
# So many lines are parsed together. Larger batches need more memory, and smaller ones more calls.
BATCH_ROWS = 20_000
COLUMNS = 1000
"""The most features of one copy. Postgres allows 1,664 columns, and each copy reads all rows."""
BLOCK_BYTES = 2**31 - 1
"""Arrow's largest block, so that it never splits a batch."""


def copy_known(store: Store, spec: ModelSpec, parameters: dict[str, str]) -> "tuple[pa.Table, pa.Table] | None":
    """The rows and the labels of a model as two tables, or None when a value has not its type in the spec.

    Rows have `id`, `created_at` and the features. Labels have `id` and `label`, the newest label of an id before its
    others. A text that spells a number or a boolean counts as one.
    `parameters` are `model`, `as_of`, `since` and `label_delay`, as in sql/training/rows_copy.sql.
    """
    import pyarrow as pa

    row_schema, label_schema = build_schemas(spec)
    with _open_snapshot(store) as (first, second), ThreadPoolExecutor(1) as parser, ThreadPoolExecutor(1) as copier:
        labels = copier.submit(_copy_labels, second, parameters, label_schema, parser)
        names = spec.feature_names
        parts = [names[start : start + COLUMNS] for start in range(0, len(names), COLUMNS)]
        copied = [_copy_rows(first, parameters, row_schema, part, parser) for part in parts]
        try:
            return _join_columns([rows.collect() for rows in copied]), labels.result()
        except pa.ArrowInvalid:
            return None


def _copy_rows(
    transaction: Transaction,
    parameters: dict[str, str],
    schema: "pa.Schema",
    names: list[str],
    parser: ThreadPoolExecutor,
) -> "Batches":
    """The rows with some of their features. They are parsed in the background, and perhaps not all yet."""
    import pyarrow as pa

    rows = Batches(parser, pa.schema([*(schema.field(place) for place in range(KEYS)), *map(schema.field, names)]))
    transaction.copy_out(ROWS, rows, **parameters, columns=transaction.list_fields("input", names))
    return rows


def _join_columns(parts: "list[pa.Table]") -> "pa.Table":
    """The parts side by side. Postgres may give the same rows in another order each time, so ids are matched."""
    import pyarrow.compute as pc

    table = parts[0]
    for part in parts[1:]:
        place = pc.index_in(table["id"].combine_chunks(), value_set=part["id"].combine_chunks())
        for name in part.column_names[KEYS:]:
            table = table.append_column(part.schema.field(name), part[name].combine_chunks().take(place))
    return table


def build_schemas(spec: ModelSpec) -> "tuple[pa.Schema, pa.Schema]":
    """The Arrow schemas of the rows and of the labels."""
    import pyarrow as pa

    features = [(feature.name, _find_type(feature)) for feature in spec.features]
    rows = pa.schema([("id", pa.string()), ("created_at", pa.timestamp("us", "UTC")), *features])
    return rows, pa.schema([("id", pa.string()), ("label", _find_type(spec.label))])


class Batches:
    """A file to which `copy_out` writes line after line. A full batch of lines is parsed in the background."""

    def __init__(self, parser: ThreadPoolExecutor, schema: "pa.Schema") -> None:
        self.parser = parser
        self.schema = schema
        self.lines: list[bytes] = []
        self.parsed: list[Future[pa.Table]] = []

    def write(self, line: bytes) -> None:
        self.lines.append(line)
        if len(self.lines) == BATCH_ROWS:
            self._parse()

    def collect(self) -> "pa.Table":
        """Everything that was written, as one table. Errors: `pa.ArrowInvalid` for a value of another type."""
        import pyarrow as pa

        self._parse()
        return pa.concat_tables([self.schema.empty_table(), *(batch.result() for batch in self.parsed)])

    def _parse(self) -> None:
        if self.lines:
            self.parsed.append(self.parser.submit(parse_lines, self.schema, self.lines))
            self.lines = []


def parse_lines(schema: "pa.Schema", lines: list[bytes]) -> "pa.Table":
    """Parse CSV lines as Postgres writes them, where null is an empty cell and an empty text is quoted.

    Errors: `pa.ArrowInvalid` for a value of another type.
    """
    import pyarrow as pa
    from pyarrow import csv

    return csv.read_csv(
        pa.py_buffer(b"".join(lines)),
        read_options=csv.ReadOptions(column_names=schema.names, use_threads=False, block_size=BLOCK_BYTES),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            true_values=["true"],
            false_values=["false"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


@contextmanager
def _open_snapshot(store: Store) -> Iterator[tuple[Transaction, Transaction]]:
    """Two transactions that see the same rows, because the second takes the snapshot of the first."""
    with store.transaction("snapshot") as first, store.transaction("snapshot") as second:
        exported = first.fetch_one("training/snapshot_export") or {}
        second.run("training/snapshot_take", **exported)
        first.run("training/parallel_prefer")
        yield first, second


def _copy_labels(
    transaction: Transaction, parameters: dict[str, Any], schema: "pa.Schema", parser: ThreadPoolExecutor
) -> "pa.Table":
    """The labels with the newest of each id before its others.

    Sorting all labels would cost Postgres as much time as copying them. Few ids have more than one label, so only the
    labels of those are sorted.
    """
    import pyarrow as pa

    labels = Batches(parser, schema)
    transaction.copy_out(LABELS, labels, **parameters)
    table = labels.collect()
    if repeated := _find_repeated(table["id"]):
        newest = Batches(parser, schema)
        transaction.copy_out(NEWEST_LABELS, newest, **parameters, ids=repeated)
        table = pa.concat_tables([newest.collect(), table])
    return table


def _find_repeated(ids: "pa.ChunkedArray") -> list[str]:
    import pyarrow.compute as pc

    counted = pc.value_counts(ids)
    return counted.field("values").filter(pc.greater(counted.field("counts"), 1)).to_pylist()  # type: ignore[no-any-return]


def _find_type(field: Feature | Label) -> "pa.DataType":
    import pyarrow as pa

    types: dict[str, Callable[[], pa.DataType]] = {"integer": pa.int64, "number": pa.float64, "boolean": pa.bool_}
    return types.get(field.type, pa.string)()
