"""The dataset of one retraining: the rows and labels known at one moment, in a file with a fingerprint."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.errors import ConfigurationError, DataError
from cyclone.policy.refit_scores import find_window
from cyclone.rows.frames import find_dtype, inputs_from_frame
from cyclone.sections import Window
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from training.data.folds import check_folds
from training.data.handover import share_files, take_files
from training.data.known_rows import build_parameters, read_known_rows, read_query

if TYPE_CHECKING:
    import pandas as pd

ROWS, RECORD = "dataset.parquet", "dataset.json"
"""The files of a dataset: its rows, and what they are."""
# Up to half of the rows may repeat another in every value. A file that is in the log twice repeats just half of them,
# and rows of few categories repeat each other honestly.
REPEATED_SHARE = 0.5
# Above it a feature is the label in other units. The rest to 1 is for values that were rounded on conversion.
LEAK_CORRELATION = 0.999999
# Two points always lie on a line, so from three on a line says something.
LEAK_ROWS = 3


@dataclass(frozen=True)
class Dataset:
    """A dataset as a Parquet file, with its bounds and fingerprint.

    The columns are `id`, `created_at`, the features and `label`. The oldest row is the first. Times are ISO texts in
    UTC. `as_of` is the moment at which rows and labels were known.
    """

    path: str
    rows: int
    first_created_at: str
    last_created_at: str
    as_of: str
    fingerprint: str


def build_dataset(settings: Settings, spec: ModelSpec, run_id: str, as_of: datetime) -> Dataset:
    """Write every row that was created before `as_of` and whose label was due and known by then.

    A second call with the same run and `as_of` returns the dataset of the first one.
    Errors: `DataError` when there are too few labelled rows or days, a constant label, a class without rows, a feature
    that is the label, too many repeated rows, or a row without the spec's types. Then nothing is written.
    """
    folder = take_files(settings, find_run_folder(settings, spec.name, run_id))
    record, path = folder / RECORD, folder / ROWS
    if record.is_file():
        built = replace(Dataset(**json.loads(record.read_text())["dataset"]), path=str(path))
        if built.as_of == as_of.astimezone(UTC).isoformat() and Path(built.path).is_file():
            return built
    window = find_window(Store(settings.store_dsn), spec, as_of)
    bounds = {"as_of": as_of.astimezone(UTC).isoformat(), "since": find_since(window, as_of)}
    known = read_known_rows(settings, spec, **bounds)
    frame = known.frame
    check_rows(spec, frame, as_of)
    _write(path, lambda partial: frame.to_parquet(partial, index=False))
    dataset = Dataset(
        path=str(path),
        rows=len(frame),
        first_created_at=frame["created_at"].iloc[0].isoformat(),
        last_created_at=frame["created_at"].iloc[-1].isoformat(),
        as_of=as_of.astimezone(UTC).isoformat(),
        fingerprint=known.fingerprint,
    )
    _record(settings, spec, run_id, dataset, bounds["since"])
    described = {"dataset": asdict(dataset), "query": read_query(), "parameters": build_parameters(spec, **bounds)}
    _write(record, lambda partial: partial.write_text(json.dumps(described, indent=2)))
    share_files(settings, folder, (ROWS, RECORD))  # the record last: it says that the rows are whole
    return dataset


def take_dataset(settings: Settings, model: str, run_id: str, told: Mapping[str, Any]) -> Dataset:
    """The dataset that an earlier task of the run told of, with its files on this worker.

    Errors: `ConfigurationError` when they cannot be brought here.
    """
    folder = find_run_folder(settings, model, run_id)
    dataset = Dataset(**told)
    if not settings.handover_url:
        return dataset
    return replace(dataset, path=str(take_files(settings, folder) / ROWS))


def read_dataset(spec: ModelSpec, dataset: Dataset) -> "pd.DataFrame":
    """The rows of a dataset as a frame. Its features have exactly the types that serving gives them.

    Errors: `DataError` when the file is gone.
    """
    import pandas as pd

    if not Path(dataset.path).is_file():
        raise DataError(
            f"{spec.name}: the file of the dataset, {dataset.path}, is gone. In Airflow clear the task `dataset`"
            f" of this run and all tasks after it, or begin again with `cyclone retrain {spec.name}`"
        )
    frame = pd.read_parquet(dataset.path)
    for feature in spec.features:
        if find_dtype(feature) == "object":  # pandas reads text as a type of its own, with NaN in place of None
            column = frame[feature.name].astype("object")
            frame[feature.name] = column.where(column.notna(), None)
    return frame


def find_run_folder(settings: Settings, model: str, run_id: str) -> Path:
    """The folder for the files of one retraining. It is made if it is missing.

    Errors: `ConfigurationError` for a run id that is no name of a folder.
    """
    # The run id becomes a part of a path, so it must not lead out of the folder.
    if not re.fullmatch(r"[A-Za-z0-9_.~:+-]+", run_id) or run_id in (".", ".."):
        raise ConfigurationError(
            f"run id {run_id!r} cannot name a folder. Allowed are letters, digits and _.~:+-, but not . or .. alone."
            " Start the run under another id"
        )
    folder = settings.work_dir / "retrainings" / model / run_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def find_since(window: Window, as_of: datetime) -> str:
    """The ISO time from which on a training at `as_of` takes rows, for a window of so many days."""
    return "-infinity" if window is None else (as_of - timedelta(days=window)).astimezone(UTC).isoformat()


def check_rows(spec: ModelSpec, frame: "pd.DataFrame", as_of: datetime) -> None:
    """Refuse rows from which nothing true can be learned.

    Errors: `DataError` with the reason, for too few rows or days, a constant label, a class without rows or in one
    fold alone, a feature that is the label, or too many repeated rows.
    """
    needed = spec.retrain.minimum_rows
    if len(frame) < needed:
        raise DataError(
            f"{spec.name}: {len(frame)} labelled rows are known at {as_of:%Y-%m-%d %H:%M}, and retrain.minimum_rows"
            f" needs {needed}. Wait for labels, or name a file of known rows as history in model.yaml"
        )
    _check_labels(spec, frame, f"all {len(frame)} rows")
    try:
        older, _ = split_newest_days(frame, spec.retrain.holdout_days)
    except DataError as error:
        raise DataError(f"{spec.name}: {error}") from error
    days = older["created_at"].dt.floor("D").nunique()
    if days < spec.retrain.folds:
        raise DataError(
            f"{spec.name}: rows lie on {days} days before the newest {spec.retrain.holdout_days}, which are the"
            f" hold-out. retrain.folds {spec.retrain.folds} needs at least as many. Wait for more days, or lower"
            " retrain.folds or retrain.holdout_days in model.yaml"
        )
    _check_labels(spec, older, f"the {len(older)} rows before the newest {spec.retrain.holdout_days} days")
    if len(older) < needed:
        raise DataError(
            f"{spec.name}: {len(older)} of {len(frame)} labelled rows lie before the newest {spec.retrain.holdout_days}"
            f" days, which are the hold-out. retrain.minimum_rows needs {needed} there, because a version is trained on"
            " them alone. Wait for labels, or lower retrain.holdout_days in model.yaml"
        )
    check_folds(spec, older["label"], older["created_at"])
    for name in find_leaks(spec, frame):
        raise DataError(
            f"{spec.name}: feature {name!r} is the label in all {len(frame)} rows, in other units or under other names."
            " It tells the model the answer, which nobody knows in service. Remove it from model.yaml"
        )
    repeated = int(frame.duplicated([*spec.feature_names, "created_at", "label"]).sum())
    if repeated > len(frame) * REPEATED_SHARE:
        raise DataError(
            f"{spec.name}: {repeated} of {len(frame)} rows repeat another one in every value. At most"
            f" {REPEATED_SHARE:.0%} may. Look whether a client sends its rows twice, or the history file has them twice"
        )


def _check_labels(spec: ModelSpec, frame: "pd.DataFrame", which: str) -> None:
    labels = frame["label"].unique()
    if len(labels) == 1:
        shown = json.dumps(labels.tolist()[0])
        raise DataError(
            f"{spec.name}: {which} have the label {shown}, so nothing can be learned. Wait for other labels, or look at"
            " what sends them"
        )
    missing = [value for value in spec.label.values or () if value not in labels]
    if missing and spec.task == "multiclass":
        raise DataError(
            f"{spec.name}: none of {which} has the label {missing[0]!r}, so nothing can be learned of it. Wait for such"
            " rows, or remove it from label.values in model.yaml"
        )


def find_leaks(spec: ModelSpec, frame: "pd.DataFrame") -> list[str]:
    """The names of the features that are the label in disguise.

    For a regression such a feature is a line that only rises or only falls with the label. For classes it has one
    value of its own for each class.
    """
    is_leak = _orders_alike if spec.task == "regression" else _names_each_class
    found = []
    for feature in spec.features:
        if spec.task == "regression" and feature.type not in ("integer", "number"):
            continue
        known = frame[feature.name].notna()
        if is_leak(frame[feature.name][known], frame["label"][known]):
            found.append(feature.name)
    return found


def _orders_alike(column: "pd.Series[Any]", label: "pd.Series[Any]") -> bool:
    """Whether the feature and the label are on one straight line but for rounding, or have the same order.

    The opposite order counts too. The order finds a feature that is the label's logarithm. Where labels are equal, such
    features are equal.
    """
    import numpy as np

    values, truths = column.to_numpy(dtype="float64"), label.to_numpy(dtype="float64")
    if len(values) < LEAK_ROWS or values.std() == 0 or truths.std() == 0:
        return False
    if abs(float(np.corrcoef(values, truths)[0, 1])) > LEAK_CORRELATION:
        return True
    ranks, wanted = (np.unique(item, return_inverse=True)[1] for item in (values, truths))
    return bool(np.array_equal(ranks, wanted) or np.array_equal(ranks.max() - ranks, wanted))


def _names_each_class(column: "pd.Series[Any]", label: "pd.Series[Any]") -> bool:
    """Whether each value goes with one class alone, and each class with one value."""
    import pandas as pd

    classes = label.nunique()
    if classes < 2 or column.nunique() != classes:
        return False
    return len(pd.DataFrame({"value": column, "label": label}).drop_duplicates()) == classes


def _record(settings: Settings, spec: ModelSpec, run_id: str, dataset: Dataset, since: str) -> None:
    Store(settings.store_dsn).run(
        "policy/dataset_record",
        run_id=run_id,
        model=spec.name,
        as_of=dataset.as_of,
        since=since,
        row_count=dataset.rows,
        first_created_at=dataset.first_created_at,
        last_created_at=dataset.last_created_at,
        query_sha256=hashlib.sha256(read_query().encode()).hexdigest(),
        fingerprint=dataset.fingerprint,
    )


def _write(path: Path, write_to: Callable[[Path], Any]) -> None:
    """Write a file whole or not at all. A task that is killed half-way leaves no half file under the name."""
    partial = path.with_suffix(".partial")
    write_to(partial)
    os.replace(partial, path)


def split_newest_days(frame: "pd.DataFrame", days: int) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """The older rows, and the rows of the newest `days` days. Days are of UTC, and only days with rows count.

    Errors: `DataError` when no older row is left to train on.
    """
    day = frame["created_at"].dt.floor("D")
    present = sorted(day.unique())
    if len(present) <= days:
        raise DataError(
            f"rows lie on {len(present)} days and retrain.holdout_days keeps the newest {days}, so none is left to"
            " train on. Wait for more days, or lower retrain.holdout_days in model.yaml"
        )
    is_newest = day >= present[-days]
    return frame[~is_newest].reset_index(drop=True), frame[is_newest].reset_index(drop=True)


def split_features(spec: ModelSpec, frame: "pd.DataFrame") -> "tuple[Any, pd.Series[Any]]":
    """The inputs of an estimator and the labels that it should predict, one row each."""
    return inputs_from_frame(spec, frame), frame["label"]
