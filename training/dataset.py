"""The training data of one retraining: what was known at a moment, frozen in a file with a fingerprint."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.errors import ConfigurationError, DataError
from cyclone.frames import LABEL_TYPES, find_dtype, frame_from_rows, inputs_from_frame
from cyclone.rows import describe_allowed, is_allowed, show_value
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store, load_statement

if TYPE_CHECKING:
    import pandas as pd

STATEMENT = "training/dataset"


@dataclass(frozen=True)
class Dataset:
    """A Parquet file with `id`, `created_at`, the features and `label`, oldest row first. Times: ISO, UTC."""

    path: str
    rows: int
    first_created_at: str
    last_created_at: str
    as_of: str
    fingerprint: str


def build_dataset(settings: Settings, spec: ModelSpec, run_id: str, as_of: datetime) -> Dataset:
    """Freeze every row created before `as_of` whose label was observed by then, and find it when called again.

    Errors: `DataError` with too few labelled rows, a constant label, or a row that has not the spec's types.
    """
    folder = find_run_folder(settings, run_id)
    record = folder / "dataset.json"
    if record.is_file():
        built = Dataset(**json.loads(record.read_text())["dataset"])
        if built.as_of == as_of.astimezone(UTC).isoformat() and Path(built.path).is_file():
            return built
    parameters = _bound(spec, as_of)
    rows = Store(settings.training_store_dsn).fetch(STATEMENT, **parameters)
    _check_rows(spec, rows, as_of)
    _check_types(spec, rows)
    path = folder / "dataset.parquet"
    _write(_build_frame(spec, rows), path)
    dataset = Dataset(
        path=str(path),
        rows=len(rows),
        first_created_at=rows[0]["created_at"].isoformat(),
        last_created_at=rows[-1]["created_at"].isoformat(),
        as_of=as_of.astimezone(UTC).isoformat(),
        fingerprint=compute_fingerprint(rows, parameters),
    )
    described = {"dataset": asdict(dataset), "statement": load_statement(STATEMENT), "parameters": parameters}
    record.write_text(json.dumps(described, indent=2))
    return dataset


def read_dataset(spec: ModelSpec, dataset: Dataset) -> "pd.DataFrame":
    """The frame of a dataset; its features have exactly the types that serving gives them."""
    import pandas as pd

    if not Path(dataset.path).is_file():
        raise DataError(f"dataset {dataset.path} is gone; build it again")
    frame = pd.read_parquet(dataset.path)
    for feature in spec.features:
        if find_dtype(feature) == "object":  # pandas reads text as its own type, with NaN where None was
            column = frame[feature.name].astype("object")
            frame[feature.name] = column.where(column.notna(), None)
    return frame


def read_known_rows(settings: Settings, spec: ModelSpec) -> "pd.DataFrame":
    """Every labelled row of the store, whatever its age. Errors: `DataError` for a row that has not the spec's types."""
    bounds = {"model": spec.name, "as_of": "infinity", "since": "-infinity"}
    rows = Store(settings.training_store_dsn).fetch(STATEMENT, **bounds)
    _check_types(spec, rows)
    return _build_frame(spec, rows)


def find_run_folder(settings: Settings, run_id: str) -> Path:
    """The folder that keeps the files of one retraining, made when missing."""
    if not re.fullmatch(r"[A-Za-z0-9_.~:+-]+", run_id) or run_id in (".", ".."):
        raise ConfigurationError(f"run id {run_id!r}: allowed are letters, digits and _.~:+-")
    folder = settings.work_dir / "retrainings" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def compute_fingerprint(rows: Sequence[Row], parameters: dict[str, str]) -> str:
    """sha256 over the bounds, every row in canonical JSON, and their number."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for row in rows:
        values = [row["id"], row["created_at"].isoformat(), row["input"], row["label"]]
        digest.update(json.dumps(values, sort_keys=True).encode() + b"\n")
    digest.update(str(len(rows)).encode())
    return digest.hexdigest()


def _bound(spec: ModelSpec, as_of: datetime) -> dict[str, str]:
    days = spec.retrain.window_days
    since = "-infinity" if days is None else (as_of - timedelta(days=days)).astimezone(UTC).isoformat()
    return {"model": spec.name, "as_of": as_of.astimezone(UTC).isoformat(), "since": since}


def _check_rows(spec: ModelSpec, rows: Sequence[Row], as_of: datetime) -> None:
    needed = spec.retrain.minimum_rows
    if len(rows) < needed:
        raise DataError(
            f"{spec.name}: {len(rows)} labelled rows are known at {as_of:%Y-%m-%d %H:%M}, "
            f"retrain.minimum_rows is {needed}; wait for labels, or load history"
        )
    labels = {json.dumps(row["label"], sort_keys=True) for row in rows}
    if len(labels) == 1:
        raise DataError(f"{spec.name}: all {len(rows)} rows have the label {labels.pop()}: nothing can be learned")


def _build_frame(spec: ModelSpec, rows: Sequence[Row]) -> "pd.DataFrame":
    import pandas as pd

    frame = frame_from_rows(spec, [row["input"] for row in rows])
    frame.insert(0, "id", pd.Series([row["id"] for row in rows], dtype="object"))
    frame.insert(1, "created_at", pd.to_datetime([row["created_at"] for row in rows], utc=True))
    frame["label"] = pd.Series([row["label"] for row in rows], dtype=LABEL_TYPES[spec.label.type])
    return frame


def _check_types(spec: ModelSpec, rows: Sequence[Row]) -> None:
    """Refuse what no typed column can hold; ranges and values are left to the validation of the whole."""
    features = {item.name: item.model_copy(update={"range": None, "values": None}) for item in spec.features}
    label = spec.label.model_copy(update={"range": None, "values": None})
    for row in rows:
        for name, feature in features.items():
            value = row["input"].get(name)
            if not is_allowed(feature, value):
                raise DataError(_name_fault(spec, row, name, value, describe_allowed(feature)))
        if not is_allowed(label, row["label"]):
            raise DataError(_name_fault(spec, row, label.name, row["label"], describe_allowed(label)))


def _name_fault(spec: ModelSpec, row: Row, name: str, value: Any, allowed: str) -> str:
    return f"{spec.name}: row {row['id']}: {name} is {show_value(value)!r}; allowed: {allowed}"


def _write(frame: "pd.DataFrame", path: Path) -> None:
    """Write whole or not at all: a task killed half-way leaves no half file under the name."""
    partial = path.with_suffix(".partial")
    frame.to_parquet(partial, index=False)
    os.replace(partial, path)


def split_newest_days(frame: "pd.DataFrame", days: int) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """The rows before the newest `days` UTC days that have rows, and the rows of those days.

    Errors: `DataError` when nothing is left to train on.
    """
    day = frame["created_at"].dt.floor("D")
    present = sorted(day.unique())
    if len(present) <= days:
        raise DataError(
            f"rows lie on {len(present)} days and retrain.holdout_days keeps the newest {days}: none is left"
        )
    is_newest = day >= present[-days]
    return frame[~is_newest].reset_index(drop=True), frame[is_newest].reset_index(drop=True)


def split_features(spec: ModelSpec, frame: "pd.DataFrame") -> "tuple[Any, pd.Series[Any]]":
    """What an estimator is given, and what it shall say."""
    return inputs_from_frame(spec, frame), frame["label"]
