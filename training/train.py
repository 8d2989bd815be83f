"""The challenger: fitted, measured, and kept as one MLflow run with all that is needed to judge it again."""

import importlib.util
import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.errors import ConfigurationError, DataError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.dataset import Dataset, read_dataset, split_features, split_newest_days
from training.expected_errors import expect_errors
from training.nulls import SubjectNull, build_nulls, flatten_null
from training.profile import Bin, build_profile
from training.scores import measure, predict
from training.tracking import connect

if TYPE_CHECKING:
    import pandas as pd

RUN_TAG = "cyclone.run_id"
MODEL_TAG = "cyclone.model_uri"
PROFILE_FILE = "reference_profile.json"
NULLS_FILE = "reference_nulls.json"
SEED = 20110101
EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Challenger:
    """A fitted version that is not registered yet; `accepted_error` is its error on random unseen rows."""

    mlflow_run_id: str
    accepted_error: float
    metrics: dict[str, float]
    training_rows: int


@dataclass(frozen=True)
class Fit:
    """What training found: the final estimator, what it was fitted on, and the metrics of its sibling."""

    estimator: Any
    rows: "pd.DataFrame"
    metrics: dict[str, float]
    profile: list[Bin]
    nulls: list[SubjectNull]


def train_challenger(settings: Settings, spec: ModelSpec, dataset: Dataset, run_id: str) -> Challenger:
    """Fit on all but the newest `holdout_days`; a finished MLflow run of the same `run_id` is returned as it is.

    The accepted error is that of a sibling, fitted without a random `holdout_share` and scored on it: a hold-out
    in time would be inflated by drift, and blind the monitor.
    Errors: `ConfigurationError` when pipeline.py is not usable, `DataError` when too little is left to train on.
    """
    client = connect(settings)
    experiment = client.get_experiment_by_name(spec.name)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(spec.name)
    done = find_finished_run(client, experiment_id, run_id)
    if done is None:
        fit = fit_challenger(spec, load_builder(settings, spec), read_dataset(spec, dataset))
        done = client.get_run(_log_run(spec, dataset, fit, experiment_id, run_id))
    metrics = {name: value for name, value in done.data.metrics.items() if not name.startswith("gate.")}
    return Challenger(done.info.run_id, metrics["accepted_error"], metrics, int(done.data.params["training_rows"]))


def fit_challenger(spec: ModelSpec, build_estimator: Callable[[], Any], frame: "pd.DataFrame") -> Fit:
    """Measure on a random share of the rows, then fit on all of them; the newest days stay unseen."""
    rows, _ = split_newest_days(frame, spec.retrain.holdout_days)
    seen, unseen = split_at_random(rows, spec.retrain.holdout_share)
    sibling = build_estimator().fit(*split_features(spec, seen))
    features, unseen_labels = split_features(spec, unseen)
    unseen_predictions = predict(spec, sibling, features)
    metrics = measure(spec, unseen_predictions, unseen_labels)
    metrics["accepted_error"] = metrics[spec.error_metric]
    features, labels = split_features(spec, rows)
    estimator = build_estimator().fit(features, labels)
    subjects = build_profile(spec, rows[spec.feature_names], predict(spec, estimator, features))
    *inputs, predicted = subjects
    profile = [item for subject in inputs for item in subject.bins]
    profile += expect_errors(spec, predicted.bins, unseen_predictions, unseen_labels)
    return Fit(estimator, rows, metrics, profile, build_nulls(spec, subjects, rows["created_at"]))


def split_at_random(rows: "pd.DataFrame", share: float) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """All but a random `share` of the rows, and that share; the same rows every time. Errors: `DataError`."""
    import numpy as np

    count = round(len(rows) * share)
    if count == 0 or count == len(rows):
        raise DataError(f"{len(rows)} rows before the newest days: too few to keep a share of {share} unseen")
    is_unseen = np.zeros(len(rows), dtype=bool)
    is_unseen[np.random.default_rng(SEED).permutation(len(rows))[:count]] = True
    return rows[~is_unseen], rows[is_unseen]


def load_builder(settings: Settings, spec: ModelSpec) -> Callable[[], Any]:
    """`build_estimator` of `models/<name>/pipeline.py`. Errors: `ConfigurationError` quoting what is wrong."""
    path = settings.models_dir / spec.name / "pipeline.py"
    # The name under which the bundle finds it too, so that classes defined there can be loaded again.
    name = f"models.{spec.name}.pipeline"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None or not path.is_file():
        raise ConfigurationError(f"{path}: missing; it defines build_estimator() of {spec.name}")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(f"{path}: it cannot be imported: {error!r}") from error
    builder = getattr(module, "build_estimator", None)
    if not callable(builder):
        raise ConfigurationError(f"{path}: build_estimator is not defined; a function without parameters is needed")
    return builder  # type: ignore[no-any-return]


def find_finished_run(client: Any, experiment_id: str, run_id: str) -> Any | None:
    """The MLflow run that a retraining finished before, if any."""
    runs = client.search_runs(
        [experiment_id], f"tags.`{RUN_TAG}` = '{run_id}' and attributes.status = 'FINISHED'", max_results=1
    )
    return runs[0] if runs else None


def _log_run(spec: ModelSpec, dataset: Dataset, fit: Fit, experiment_id: str, run_id: str) -> str:
    """One MLflow run; it only counts once it has finished, so a task that died leaves nothing that is reused."""
    import mlflow

    tags = {
        RUN_TAG: run_id,
        "cyclone.model": spec.name,
        "cyclone.fingerprint": dataset.fingerprint,
        "cyclone.as_of": dataset.as_of,
    }
    folder = Path(dataset.path).parent
    with mlflow.start_run(experiment_id=experiment_id, run_name=run_id, tags=tags) as run:
        mlflow.log_params(_list_params(spec, dataset, fit))
        mlflow.log_metrics(fit.metrics)
        mlflow.set_tag(MODEL_TAG, _log_model(spec, fit))
        mlflow.log_text(json.dumps([asdict(item) for item in fit.profile], indent=1), PROFILE_FILE)
        mlflow.log_text(json.dumps([flatten_null(item) for item in fit.nulls], indent=1), NULLS_FILE)
        for name in ("dataset.parquet", "dataset.json", "validation.json", "validation.html"):
            if (folder / name).is_file():
                mlflow.log_artifact(str(folder / name), "data")
    return str(run.info.run_id)


def _list_params(spec: ModelSpec, dataset: Dataset, fit: Fit) -> dict[str, Any]:
    return {
        "estimator": type(fit.estimator).__name__,
        "training_rows": len(fit.rows),
        "dataset_rows": dataset.rows,
        "first_created_at": dataset.first_created_at,
        "last_created_at": dataset.last_created_at,
        "seed": SEED,
        **{f"retrain.{name}": value for name, value in spec.retrain.model_dump().items()},
    }


def _log_model(spec: ModelSpec, fit: Fit) -> str:
    import mlflow
    import skops.io
    from mlflow.models import infer_signature

    features, _ = split_features(spec, fit.rows)
    example = features[:EXAMPLE_ROWS]
    with warnings.catch_warnings():
        # The spec says which integers may be missing, and those are float64.
        warnings.filterwarnings("ignore", message="Hint: Inferred schema contains integer")
        logged = mlflow.sklearn.log_model(
            fit.estimator,
            name="model",
            serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
            skops_trusted_types=skops.io.get_untrusted_types(data=skops.io.dumps(fit.estimator)),
            signature=infer_signature(features, fit.estimator.predict(example)),
            input_example=example,
            pip_requirements=["scikit-learn", "skops"],
        )
    return str(logged.model_uri)
