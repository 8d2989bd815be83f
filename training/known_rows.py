"""Labelled rows out of the training store, typed: lines of JSON, parsed by column instead of row by row."""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cyclone.errors import DataError
from cyclone.frames import LABEL_TYPES, find_dtype
from cyclone.rows import describe_allowed, is_allowed, show_value
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store, load_statement

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

STATEMENT = "training/dataset_copy"
BLOCK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class KnownRows:
    """A frame with `id`, `created_at`, the features and `label`, the oldest first; the hash of what it came from."""

    frame: "pd.DataFrame"
    fingerprint: str


def read_known_rows(
    settings: Settings, spec: ModelSpec, as_of: str = "infinity", since: str = "-infinity"
) -> KnownRows:
    """The rows created from `since` on, with the labels that were known at `as_of`: ISO times.

    Errors: `DataError` naming a row that has not the spec's types.
    """
    parameters = {"model": spec.name, "as_of": as_of, "since": since}
    store = Store(settings.training_store_dsn)
    lines = _copy(store, parameters)
    frame = parse_lines(spec, lines)
    if frame is None:
        _name_first_fault(spec, store.fetch("training/dataset", **parameters))
        raise DataError(f"{spec.name}: the rows known at {as_of} cannot be read with the types of model.yaml")
    return KnownRows(frame, compute_fingerprint(parameters, lines))


def compute_fingerprint(parameters: dict[str, str], lines: "memoryview | bytes") -> str:
    """sha256 over the query, its bounds, and every row in canonical JSON."""
    digest = hashlib.sha256(load_statement(STATEMENT).encode())
    digest.update(json.dumps(parameters, sort_keys=True).encode())
    digest.update(lines)
    return digest.hexdigest()


def parse_lines(spec: ModelSpec, lines: "memoryview | bytes") -> "pd.DataFrame | None":
    """The frame with exactly the types that serving gives; None when a row has not the spec's types."""
    import pandas as pd
    import pyarrow as pa
    from pyarrow import json as arrow_json

    if not lines:
        table = _schema(spec).empty_table()
    else:
        options = arrow_json.ParseOptions(explicit_schema=_schema(spec), unexpected_field_behavior="ignore")
        reading = arrow_json.ReadOptions(block_size=BLOCK_BYTES)
        try:
            table = arrow_json.read_json(pa.BufferReader(lines), read_options=reading, parse_options=options)
        except pa.ArrowInvalid:
            return None
    columns = {"id": _convert(table["id"], "object")}
    columns["created_at"] = pd.to_datetime(table["created_at"].to_numpy(), unit="us", utc=True)
    inputs = table["input"].combine_chunks()
    for place, feature in enumerate(spec.features):
        column = _flatten(inputs, place)
        if column.null_count and not feature.nullable:
            return None
        columns[feature.name] = _convert(column, find_dtype(feature))
    if table["label"].null_count:
        return None
    columns["label"] = _convert(table["label"], LABEL_TYPES[spec.label.type])
    return pd.DataFrame(columns)


def _copy(store: Store, parameters: dict[str, str]) -> memoryview:
    output = io.BytesIO()
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(load_statement("training/dataset_memory"))
        cursor.copy_expert(cursor.mogrify(load_statement(STATEMENT), parameters).decode(), output)
    return output.getbuffer()


def _schema(spec: ModelSpec) -> "pa.Schema":
    import pyarrow as pa

    types = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    features = [(feature.name, types.get(feature.type, pa.string())) for feature in spec.features]
    return pa.schema(
        [
            ("id", pa.string()),
            ("created_at", pa.int64()),
            ("label", types.get(spec.label.type, pa.string())),
            ("input", pa.struct(features)),
        ]
    )


def _flatten(inputs: Any, place: int) -> Any:
    return inputs.field(place) if not inputs.null_count else inputs.flatten()[place]


def _convert(column: Any, dtype: str) -> Any:
    """A column of the wanted NumPy type; nulls become NaN in numbers and None in objects."""
    import pandas as pd

    if dtype == "object":
        return pd.Series(column.to_numpy(zero_copy_only=False), dtype="object")
    return column.to_numpy(zero_copy_only=False).astype(dtype)


def _name_first_fault(spec: ModelSpec, rows: Sequence[Row]) -> None:
    """Ranges and values are left to the validation of the whole dataset."""
    features = {item.name: item.model_copy(update={"range": None, "values": None}) for item in spec.features}
    label = spec.label.model_copy(update={"range": None, "values": None})
    for row in rows:
        for name, feature in features.items():
            value = row["input"].get(name)
            if not is_allowed(feature, value):
                raise DataError(_describe_fault(spec, row, name, value, describe_allowed(feature)))
        if not is_allowed(label, row["label"]):
            raise DataError(_describe_fault(spec, row, label.name, row["label"], describe_allowed(label)))


def _describe_fault(spec: ModelSpec, row: Row, name: str, value: Any, allowed: str) -> str:
    return f"{spec.name}: row {row['id']}: {name} is {show_value(value)!r}; allowed: {allowed}"
