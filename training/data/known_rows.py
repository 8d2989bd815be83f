"""Labelled rows from the training store, with the spec's types and the labels that were known at one moment."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cyclone.calibration.fitting import MOST_LATE_DAYS
from cyclone.errors import DataError
from cyclone.rows.frames import LABEL_TYPES, find_dtype
from cyclone.rows.validation import describe_allowed, is_allowed, show_value
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store, load_statement
from training.data.row_copy import STATEMENTS, copy_known

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

IN_SQL = "training/dataset"
"""The statement that gives the same rows one by one. It is asked only to name a row without the spec's types."""


@dataclass(frozen=True)
class KnownRows:
    """Labelled rows, and the fingerprint of their query, bounds and values.

    The frame has `id`, `created_at`, the features and `label`. The oldest row is the first.
    """

    frame: "pd.DataFrame"
    fingerprint: str


def read_known_rows(
    settings: Settings, spec: ModelSpec, as_of: str = "infinity", since: str = "-infinity"
) -> KnownRows:
    """The rows created from `since` to before `as_of` whose labels were due and known at `as_of`. Both are ISO times.

    A label that came before it was due waits. Early labels are often of one kind, as frauds that are found fast are.
    For the same reason the newest days wait until they are labelled half as much as usual.
    Errors: `DataError` naming a row whose values have not the spec's types.
    """
    parameters = build_parameters(spec, as_of, since)
    store = Store(settings.training_store_dsn)
    if copied := copy_known(store, spec, parameters):
        table = join_newest(*copied, MOST_LATE_DAYS + spec.label.load_every_days)
        # Hashing needs only the table, so the frame is built at the same time.
        with ThreadPoolExecutor(1) as hasher:
            fingerprint = hasher.submit(compute_fingerprint, parameters, table)
            frame = build_frame(spec, table)
        if frame is not None:
            return KnownRows(frame, fingerprint.result())
    _name_first_fault(spec, store.fetch(IN_SQL, **parameters))
    raise DataError(
        f"{spec.name}: the rows known at {as_of} cannot be read with the types of model.yaml, although each alone can."
        " Give the features and the label the types that the rows had"
    )


def build_parameters(spec: ModelSpec, as_of: str, since: str) -> dict[str, str]:
    """The parameters of the statements that give rows and labels."""
    label_delay = f"{spec.label.delay.total_seconds():f} seconds"
    return {"model": spec.name, "as_of": as_of, "since": since, "label_delay": label_delay}


def join_newest(rows: "pa.Table", labels: "pa.Table", most_late_days: int) -> "pa.Table":
    """The rows that have a label, each with its newest one. The oldest row is the first, and equal times go by id.

    The newest days are left out while they wait for most of their labels, see `find_late_since`.
    In `labels` the newest label of an id stands before its others.
    Finding the labels takes as long as sorting the rows, so both are done at the same time.
    """
    import pyarrow.compute as pc

    rows = rows.combine_chunks()
    order = pc.sort_indices(rows, sort_keys=[("created_at", "ascending"), ("id", "ascending")])
    with ThreadPoolExecutor(1) as sorter:
        ordered = sorter.submit(rows.take, order)
        place = pc.index_in(rows["id"].chunk(0), value_set=labels["id"].combine_chunks()).take(order)  # the first one
        label = labels["label"].combine_chunks().take(place)
        joined = ordered.result().append_column("label", label)
    if not place.null_count:
        return joined
    is_labelled = place.is_valid()
    late_since = find_late_since(joined["created_at"], is_labelled, most_late_days)
    is_early = pc.less(joined["created_at"], late_since) if late_since else True
    return joined.filter(pc.and_(is_labelled, is_early)).combine_chunks()


def find_late_since(created_at: Any, is_labelled: Any, most_late_days: int) -> datetime | None:
    """The start of the newest days that wait for most of their labels, in UTC. None if no day does.

    Such a day has less than half of the usual share of labels. That is the median of the days that have any. At most
    `most_late_days` days wait, so that a share that falls for good does not stop all learning.
    """
    import numpy as np
    import pyarrow.compute as pc

    day = pc.floor_temporal(created_at, unit="day").to_numpy()
    days, place = np.unique(day, return_inverse=True)
    share = np.bincount(place, weights=is_labelled.to_numpy(zero_copy_only=False)) / np.bincount(place)
    if not share.any():
        return None
    whole = np.flatnonzero(2 * share >= np.median(share[share > 0]))[-1]
    earliest = days[-1] - np.timedelta64(most_late_days - 1, "D")
    late = days[whole + 1 :]
    late = late[late >= earliest]
    return datetime.fromtimestamp(int(late[0].astype("datetime64[s]").astype(int)), UTC) if len(late) else None


def build_frame(spec: ModelSpec, table: "pa.Table") -> "pd.DataFrame | None":
    """The table as a frame with exactly the types that serving gives.

    None when a value is null where the spec does not allow it, or a number is not finite.
    """
    import pandas as pd

    columns = {"id": table["id"].to_pandas(), "created_at": table["created_at"].to_pandas()}
    for feature in spec.features:
        column = table[feature.name]
        if not _is_sound(column, nullable=feature.nullable):
            return None
        columns[feature.name] = _convert(column, find_dtype(feature))
    if not _is_sound(table["label"], nullable=False):
        return None
    columns["label"] = _convert(table["label"], LABEL_TYPES[spec.label.type])
    return pd.DataFrame(columns, copy=False)


def read_query() -> str:
    """The SQL statements that give the rows and their labels, as one text."""
    return "\n".join(map(load_statement, STATEMENTS))


def compute_fingerprint(parameters: dict[str, str], table: "pa.Table") -> str:
    """The sha256 over the query, its bounds, and every value of every column with its name and type, in hexadecimal."""
    digest = hashlib.sha256(read_query().encode())
    columns = [(name, str(kind)) for name, kind in zip(table.schema.names, table.schema.types, strict=True)]
    digest.update(json.dumps([parameters, columns, table.num_rows], sort_keys=True).encode())
    for column in table.columns:
        for part in _list_bytes(column):
            digest.update(part)
    return digest.hexdigest()


def _list_bytes(column: Any) -> Iterator[Any]:
    """The bytes of a column to hash: first which values are null, then the values.

    Texts are their lengths and then UTF-8. The lengths tell `ab, c` from `a, bc`. Other values are as NumPy has them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    yield column.is_null().to_numpy()
    if not pa.types.is_string(column.type):
        known = column.drop_null()
        yield (known.cast("int64") if pa.types.is_timestamp(column.type) else known).to_numpy()
        return
    texts = column.fill_null("")
    yield pc.binary_length(texts).to_numpy()
    for chunk in texts.chunks:
        _, offsets, content = chunk.buffers()
        bounds = memoryview(offsets).cast("i")
        if content:
            yield memoryview(content)[bounds[chunk.offset] : bounds[chunk.offset + len(chunk)]]


def _is_sound(column: Any, *, nullable: bool) -> bool:
    """Whether the column has no null that is not allowed, and only finite numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count and not nullable:
        return False
    return not pa.types.is_floating(column.type) or pc.all(pc.is_finite(column)).as_py() is not False


def _convert(column: Any, dtype: str) -> Any:
    """The column with the wanted NumPy type. Nulls become NaN in numbers and None in objects."""
    import numpy as np
    import pandas as pd

    if dtype == "object":  # equal texts share one Python object, which saves memory
        encoded = column.combine_chunks().dictionary_encode()
        texts = np.array([*encoded.dictionary.to_pylist(), None], dtype="object")
        return pd.Series(texts[encoded.indices.fill_null(-1).to_numpy()], dtype="object")
    return column.to_numpy(zero_copy_only=False).astype(dtype)


def _name_first_fault(spec: ModelSpec, rows: Sequence[Row]) -> None:
    """Refuse the first row whose values have not the spec's types.

    Ranges and allowed values are not looked at here. The validation of the whole dataset does that.
    Errors: `DataError` naming the row, the value and what is allowed.
    """
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
    return (
        f"{spec.name}: row {row['id']}: {name} is {show_value(value)!r}, allowed: {allowed}. Change the type in"
        " model.yaml, or correct what sends such rows"
    )
