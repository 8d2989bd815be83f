"""Reproduction of a version: the same rows, code and seed have to give the same predictions, bit for bit."""

import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cyclone.errors import LineageError
from cyclone.image_contract import PIPELINE_FILE, SPEC_FILE
from cyclone.sections import Retrain
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, find_model, read_model_yaml
from cyclone.store import Row, Store
from cyclone.temporary import temporary_folder
from training.data.dataset import Dataset, read_dataset, split_features
from training.data.known_rows import read_known_rows
from training.fit.model_code import find_pipeline, load_builder
from training.fit.scores import predict
from training.fit.train import PACKAGE_PARAM, fit_challenger, list_packages
from training.tracking.client import StoredModel, connect, fetch_model, require_answer
from training.tracking.runs import AS_OF_TAG, FINGERPRINT_TAG, FRAME_TAG, MODEL_TAG, RUN_TAG, SOURCE_FOLDER, hash_file
from training.tracking.versions import read_run

FRAME = "data/dataset.parquet"


@dataclass(frozen=True)
class Reproduction:
    """How the reproduced model differs from the registered one.

    `frame` says in words where the rows came from, and `rows` is their number.
    `largest_difference` is between two predictions for the same row of the dataset.
    `metrics` is how many metrics are identical, and how many MLflow holds.
    `arrays` is how many arrays are identical, and how many the larger of the two model files has.
    `packages` holds by name the versions of then and now that differ.
    """

    version: int
    mlflow_run_id: str
    fingerprint: str
    frame: str
    rows: int
    largest_difference: float
    metrics: tuple[int, int]
    arrays: tuple[int, int]
    packages: Mapping[str, tuple[str, str]]

    @property
    def differing(self) -> list[str]:
        """Which of predictions, metrics and arrays are not the same, bit for bit. Packages are not compared here."""
        is_same = {
            "predictions": self.largest_difference == 0,
            "metrics": 0 < self.metrics[0] == self.metrics[1],
            "arrays of the model file": self.arrays[0] == self.arrays[1],
        }
        return [name for name, same in is_same.items() if not same]


def reproduce(settings: Settings, model: str, version: int) -> Reproduction:
    """Train a version again on the data of its fingerprint, and compare. Nothing is registered or changed.

    Errors: `LineageError` when the version, its rows or its code are not there as they were. `TrackingError` when
    MLflow does not answer.
    """
    require_answer(settings)
    client = connect(settings)
    run = _find_run(settings, client, model, version)
    with temporary_folder("reproduce") as folder:
        spec = _read_spec(settings, client, run, folder)
        frame, source = _read_frame(settings, spec, client, run, folder)
        reviewed = find_model(settings.models_dir, model)
        stored = fetch_model(settings, reviewed, run.data.tags[MODEL_TAG], folder / "model")
        again = fit_challenger(spec, load_builder(settings, spec), frame)
        features, _ = split_features(spec, frame)
        then, now = (predict(spec, estimator, features) for estimator in (stored.load(), again.estimator))
        known = {name: run.data.metrics[name] for name in again.metrics if name in run.data.metrics}
        return Reproduction(
            version=version,
            mlflow_run_id=run.info.run_id,
            fingerprint=run.data.tags[FINGERPRINT_TAG],
            frame=source,
            rows=len(frame),
            largest_difference=_compare(then, now),
            metrics=(sum(again.metrics[name] == value for name, value in known.items()), len(known)),
            arrays=_compare_arrays(stored, again.estimator),
            packages=_compare_packages(run.data.params, again.estimator),
        )


def _find_run(settings: Settings, client: Any, model: str, version: int) -> Any:
    """The MLflow run that trained a version. Errors: `LineageError` when it is not the one that the store names."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(client.get_model_version(model, str(version)).run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise LineageError(
            f"{model} has no version {version} in MLflow, or its run is gone. `cyclone timeline {model}` shows"
            f" which versions there are: {error}"
        ) from error
    if (known := read_run(settings, model, version)) != run.info.run_id:
        raise LineageError(
            f"{model}: version {version} in MLflow is of run {run.info.run_id}, and the store"
            + (f" knows it as of run {known}" if known else " does not know this version")
            + ". What would be trained again is not what the record names: look whether MLflow at"
            f" {settings.mlflow_uri} and the store belong together"
        )
    missing = [name for name in (RUN_TAG, FINGERPRINT_TAG, MODEL_TAG) if name not in run.data.tags]
    if missing:
        raise LineageError(
            f"{model}: MLflow run {run.info.run_id} has no tag {missing[0]}, so Cyclone did not train it. Choose"
            " another --version"
        )
    return run


def _read_spec(settings: Settings, client: Any, run: Any, folder: Path) -> ModelSpec:
    """The spec by the model.yaml of the training.

    Its pipeline.py is code, and code is only run from the models' folder. So it has to be the same there.
    """
    config = _download(client, run, f"{SOURCE_FOLDER}/{SPEC_FILE}", folder)
    pipeline = _download(client, run, f"{SOURCE_FOLDER}/{PIPELINE_FILE}", folder)
    if config is None or pipeline is None:
        raise LineageError(
            f"MLflow run {run.info.run_id} does not keep {SOURCE_FOLDER}/model.yaml and pipeline.py, without which"
            " nothing can be reproduced. Choose another --version"
        )
    drop_gone_keys(config)
    spec = read_model_yaml(config)
    now = find_pipeline(settings, spec)
    if not now.is_file() or now.read_bytes() != pipeline.read_bytes():
        raise LineageError(
            f"{now} is not what MLflow run {run.info.run_id} was trained with. Put the run's"
            f" {SOURCE_FOLDER}/pipeline.py there, or into a copy of the models' folder and set CYCLONE_MODELS_DIR to"
            " that copy"
        )
    return spec


def drop_gone_keys(config: Path) -> None:
    """Take out of an old model.yaml the keys of `retrain` that exist no more. None of them changed a fit."""
    content = yaml.safe_load(config.read_text())
    content["retrain"] = {
        key: value for key, value in content.get("retrain", {}).items() if key in Retrain.model_fields
    }
    config.write_text(yaml.safe_dump(content, sort_keys=False))


def _read_frame(settings: Settings, spec: ModelSpec, client: Any, run: Any, folder: Path) -> "tuple[Any, str]":
    """The rows of the training, and in words where they came from.

    They come from the Parquet file in MLflow, or from the store if that file is gone.
    Errors: `LineageError` when they are not the rows that were trained on.
    """
    stored = _download(client, run, FRAME, folder)
    if stored is not None:
        if hash_file(stored) != run.data.tags.get(FRAME_TAG):
            raise LineageError(
                f"{spec.name}: {FRAME} of MLflow run {run.info.run_id} is not the file that was trained on. Remove it"
                " there to read the rows from the store"
            )
        return read_dataset(spec, _describe(stored, run)), f"{FRAME} of the MLflow run"
    record = Store(settings.store_dsn).fetch_one("lineage/dataset", model=spec.name, run_id=run.data.tags[RUN_TAG])
    if record is None:
        raise LineageError(
            f"{spec.name}: the store has no dataset of {run.data.tags[RUN_TAG]}, and {FRAME} is gone from MLflow."
            " Choose another --version"
        )
    return _read_store(settings, spec, run, record, folder), "the store, by the same query and bounds"


def _read_store(settings: Settings, spec: ModelSpec, run: Any, record: Row, folder: Path) -> Any:
    since = record["since"].isoformat() if record["since"] else "-infinity"
    rows = read_known_rows(settings, spec, as_of=record["as_of"].isoformat(), since=since)
    wanted = run.data.tags[FINGERPRINT_TAG]
    if rows.fingerprint != wanted:
        raise LineageError(
            f"{spec.name}: the store gives {len(rows.frame)} rows with fingerprint {rows.fingerprint}."
            f" {record['row_count']} rows with {wanted} were trained on. The log, its labels or the query have changed"
            " since"
        )
    path = folder / "dataset.parquet"
    rows.frame.to_parquet(path, index=False)  # the training read them from a file, which may change types
    return read_dataset(spec, _describe(path, run))


def _describe(path: Path, run: Any) -> Dataset:
    tags, params = run.data.tags, run.data.params
    return Dataset(
        path=str(path),
        rows=int(params["dataset_rows"]),
        first_created_at=params["first_created_at"],
        last_created_at=params["last_created_at"],
        as_of=tags[AS_OF_TAG],
        fingerprint=tags[FINGERPRINT_TAG],
    )


def _download(client: Any, run: Any, path: str, folder: Path) -> Path | None:
    """The path of a downloaded artifact of the run, or None when it is gone."""
    parent = path.rsplit("/", 1)[0]
    if path not in {item.path for item in client.list_artifacts(run.info.run_id, parent)}:
        return None
    return Path(client.download_artifacts(run.info.run_id, path, str(folder)))


def _compare(then: Any, now: Any) -> float:
    """The largest absolute difference. It is infinite where only one of the two is a finite number."""
    import numpy as np

    if np.array_equal(then, now, equal_nan=True):
        return 0.0
    difference = float(np.abs(then - now).max())
    return difference if np.isfinite(difference) else float("inf")


def _compare_arrays(stored: StoredModel, estimator: Any) -> tuple[int, int]:
    """How many arrays both model files have, and how many the larger one has. The trees of XGBoost are one array.

    The rest of a skops file is not compared. It holds times and addresses, which differ each time.
    """
    import skops.io

    then, now = _hash_arrays(stored.path.read_bytes()), _hash_arrays(skops.io.dumps(estimator))
    return (then & now).total(), max(then.total(), now.total())


def _hash_arrays(content: bytes) -> Counter[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if name.endswith((".npy", ".npz", ".bin"))]
        return Counter(hashlib.sha256(archive.read(name)).hexdigest() for name in names)


def _compare_packages(params: Mapping[str, str], estimator: Any) -> dict[str, tuple[str, str]]:
    now = list_packages(estimator)
    then = {name: params.get(f"{PACKAGE_PARAM}{name}", "unknown") for name in now}
    return {name: (then[name], now[name]) for name in now if then[name] != now[name]}
