"""Training of a challenger: it is fitted, measured, and kept as one MLflow run with all that judging it again needs."""

import json
import platform
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cyclone.errors import ConfigurationError, CycloneError, DataError
from cyclone.image_contract import SPEC_FILE
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.times import DAY
from training.data.dataset import RECORD, ROWS, Dataset, read_dataset, split_features, split_newest_days
from training.data.folds import SEED, assign_folds
from training.fit.expected_errors import expect_errors
from training.fit.model_code import describe_error, find_line, find_pipeline, load_builder, make_estimator
from training.fit.null_distributions import SubjectNull, build_nulls, flatten_null
from training.fit.profile import Bin, build_profile
from training.fit.repeatable import limit_threads, seed
from training.fit.scores import measure, predict
from training.tracking.client import connect
from training.tracking.packages import find_packages
from training.tracking.runs import (
    EXPECTATIONS_FILE,
    MODEL_TAG,
    PASSED,
    SOURCE_FOLDER,
    TRAINED_UNTIL,
    VALIDATION_FILES,
    VALIDATION_TAG,
    find_finished_run,
    open_run,
)
from training.tracking.trusted_types import list_types, require_trusted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PACKAGE_PARAM = "package."
PACKAGES = ("cyclone-mlops", "numpy", "pandas", "scikit-learn")
"""The packages whose versions can change the numbers of a fit. The version of Python can too."""
PROFILE_FILE = "reference_profile.json"
NULLS_FILE = "reference_nulls.json"
# MLflow shows a few rows as an example of the input. More would only make the page longer.
EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Challenger:
    """A fitted model that is not registered yet.

    `accepted_error` is the mean loss of its siblings on random days that they did not see, in the unit of
    `spec.error_metric`. `training_rows` is the number of rows that it was fitted on.
    """

    mlflow_run_id: str
    accepted_error: float
    metrics: dict[str, float]
    training_rows: int


@dataclass(frozen=True)
class Fit:
    """The result of a fit: the estimator, the rows it was fitted on, and the metrics of its siblings.

    `profile` and `nulls` are what the version's drift checks will compare with.
    """

    estimator: Any
    rows: "pd.DataFrame"
    metrics: dict[str, float]
    profile: list[Bin]
    nulls: list[SubjectNull]


def train_challenger(settings: Settings, spec: ModelSpec, dataset: Dataset, run_id: str) -> Challenger:
    """Train on all days but the newest `holdout_days`, once for a run id and a dataset.

    If `run_id` has finished on the same data before, that result is returned.
    Errors: `ConfigurationError` when pipeline.py is not usable, `DataError` when too little is left to train on.
    """
    client = connect(settings)
    done = find_finished_run(client, spec, dataset, run_id)
    if done is None:
        done = client.get_run(_train(settings, spec, dataset, run_id))
    # The gate adds metrics of its own to the same run.
    metrics = {name: value for name, value in done.data.metrics.items() if not name.startswith("gate.")}
    return Challenger(done.info.run_id, metrics["accepted_error"], metrics, int(done.data.params["training_rows"]))


def fit_challenger(spec: ModelSpec, build_estimator: Callable[[], Any], frame: "pd.DataFrame") -> Fit:
    """Measure siblings on days that they did not see, then fit the challenger on all rows before the hold-out.

    Errors: those of `predict_unseen` and `fit_estimator`, and `DataError` when the hold-out leaves no row.
    """
    rows, _ = split_newest_days(frame, spec.retrain.holdout_days)
    features, labels = split_features(spec, rows)
    unseen_predictions, unseen_labels = predict_unseen(spec, build_estimator, features, labels, rows["created_at"])
    metrics = measure(spec, unseen_predictions, unseen_labels)
    metrics["accepted_error"] = metrics[spec.error_metric]
    estimator = fit_estimator(spec, build_estimator, features, labels, rows["created_at"])
    subjects = build_profile(spec, rows[spec.feature_names], predict(spec, estimator, features))
    *inputs, predicted = subjects
    profile = [item for subject in inputs for item in subject.bins]
    profile += expect_errors(spec, predicted.bins, unseen_predictions, unseen_labels)
    return Fit(estimator, rows, metrics, profile, build_nulls(spec, subjects, rows["created_at"]))


def fit_estimator(
    spec: ModelSpec,
    build_estimator: Callable[[], Any],
    features: Any,
    labels: "pd.Series[Any]",
    created_at: "pd.Series[Any]",
) -> Any:
    """A fitted estimator, the same bits every time. With `retrain.half_life_days` newer rows weigh more.

    Errors: `ConfigurationError` when `half_life_days` is set and the estimator takes no weights, or `build_estimator`
    gives none. `DataError` when the estimator refuses the rows, such as one that needs more rows of each class.
    """
    estimator = make_estimator(spec, build_estimator)
    try:
        return _fit(spec, seed(estimator), features, labels, created_at)
    except (CycloneError, MemoryError, OSError):
        raise  # the machine's, and no word of the estimator on these rows
    except Exception as error:
        rows = f"{len(labels)} rows" + (f" ({_count_classes(labels)})" if spec.task != "regression" else "")
        raise DataError(
            f"{spec.name}: the estimator of pipeline.py refuses to be trained on {rows}{find_line(spec, error)}:"
            f" {describe_error(error)}. Wait for more labels, or build another estimator there"
        ) from error


def _count_classes(labels: "pd.Series[Any]") -> str:
    """The rows of each class, the rarest first."""
    counts = labels.value_counts(ascending=True)
    names = map(json.dumps, counts.index.tolist())
    return ", ".join(f"{count} of {name}" for name, count in zip(names, counts, strict=True))


def _fit(spec: ModelSpec, estimator: Any, features: Any, labels: "pd.Series[Any]", created_at: "pd.Series[Any]") -> Any:
    half_life_days = spec.retrain.half_life_days
    if half_life_days is None:
        with limit_threads(len(labels)):
            return estimator.fit(features, labels)
    # A scikit-learn pipeline passes an argument on by the name of a step. Its last step is the estimator itself.
    steps = getattr(estimator, "steps", None)
    name = f"{steps[-1][0]}__sample_weight" if steps else "sample_weight"
    try:
        with limit_threads(len(labels)):
            return estimator.fit(features, labels, **{name: weigh_rows(created_at, half_life_days)})
    except (TypeError, ValueError) as error:
        if "sample_weight" not in str(error):
            raise
        raise ConfigurationError(
            f"{spec.name}: retrain.half_life_days needs an estimator whose fit takes sample_weight. Remove it from"
            f" model.yaml, or build another estimator in pipeline.py. The estimator said: {error}"
        ) from error


def list_packages(estimator: Any) -> dict[str, str]:
    """The installed versions of Python, of `PACKAGES`, and of what else the fitted estimator needs, by name."""
    others = dict(package.split("==") for package in find_packages(list_types(estimator)))
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}, **others}


def weigh_rows(created_at: "pd.Series[Any]", half_life_days: float) -> "np.ndarray[Any, Any]":
    """The weight of each row, shape (rows,). The newest weighs 1, and one `half_life_days` older weighs half."""
    import numpy as np

    age_days = ((created_at.max() - created_at) / DAY).to_numpy()
    return np.asarray(0.5 ** (age_days / half_life_days))


def predict_unseen(
    spec: ModelSpec,
    build_estimator: Callable[[], Any],
    features: Any,
    labels: "pd.Series[Any]",
    created_at: "pd.Series[Any]",
) -> "tuple[np.ndarray[Any, Any], pd.Series[Any]]":
    """A prediction of every row by a sibling that was not trained on the row's day, and the row's label.

    Whole days are left out, because rows of one day resemble each other. The days are random, because the error on the
    newest days would contain drift. The monitor compares with this error and would not see that drift again.
    The rows of both results are ordered by fold. Errors: `DataError` with fewer days than folds.
    """
    import numpy as np
    import pandas as pd

    try:
        fold = assign_folds(created_at, spec.retrain.folds)
    except DataError as error:
        raise DataError(f"{spec.name}: {error}") from error
    predictions, truths = [], []
    for number in range(spec.retrain.folds):
        unseen, seen = fold == number, fold != number
        try:
            sibling = fit_estimator(spec, build_estimator, features[seen], labels[seen], created_at[seen])
            predictions.append(predict(spec, sibling, features[unseen]))
        except DataError as error:
            raise DataError(f"{error}. These are the rows outside fold {number + 1} of {spec.retrain.folds}") from error
        truths.append(labels[unseen])
    return np.concatenate(predictions), pd.concat(truths)


def _train(settings: Settings, spec: ModelSpec, dataset: Dataset, run_id: str) -> str:
    """Train in one MLflow run and return its id.

    A run counts only once it has finished. So a task that died leaves nothing that is used again.
    """
    import mlflow

    opened = open_run(settings, spec, dataset, run_id)
    with mlflow.start_run(run_id=opened) as run:
        fit = fit_challenger(spec, load_builder(settings, spec), read_dataset(spec, dataset))
        mlflow.log_params(_list_params(spec, dataset, fit))
        mlflow.log_metrics(fit.metrics)
        mlflow.set_tag(MODEL_TAG, _log_model(spec, fit))
        mlflow.log_text(json.dumps([asdict(item) for item in fit.profile], indent=1), PROFILE_FILE)
        mlflow.log_text(json.dumps([flatten_null(item) for item in fit.nulls], indent=1), NULLS_FILE)
        _log_data(dataset, is_page_kept=VALIDATION_TAG in run.data.tags)
        _log_source(settings, spec)
    return opened


def _log_data(dataset: Dataset, *, is_page_kept: bool) -> None:
    """Keep the rows in the MLflow run, and the validation's page unless the run has it.

    The run has no page if an earlier training failed after the validation. Then this run is another one.
    """
    import mlflow

    folder = Path(dataset.path).parent
    for name in (ROWS, RECORD):
        mlflow.log_artifact(str(folder / name), "data")
    if is_page_kept:
        return
    validated = [folder / name for name in VALIDATION_FILES if (folder / name).is_file()]
    for path in validated:
        mlflow.log_artifact(str(path), "data")
    if validated:
        mlflow.set_tag(VALIDATION_TAG, PASSED)  # nothing is trained on rows that failed


def _log_source(settings: Settings, spec: ModelSpec) -> None:
    """Keep the model's configuration and code of this training in the MLflow run."""
    import mlflow

    mlflow.log_text(yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False), f"{SOURCE_FOLDER}/{SPEC_FILE}")
    pipeline = find_pipeline(settings, spec)
    for path in (pipeline, pipeline.with_name(EXPECTATIONS_FILE)):
        if path.is_file():
            mlflow.log_artifact(str(path), SOURCE_FOLDER)


def _list_params(spec: ModelSpec, dataset: Dataset, fit: Fit) -> dict[str, Any]:
    return {
        "estimator": type(fit.estimator).__name__,
        "training_rows": len(fit.rows),
        TRAINED_UNTIL: fit.rows["created_at"].max().isoformat(),
        "dataset_rows": dataset.rows,
        "first_created_at": dataset.first_created_at,
        "last_created_at": dataset.last_created_at,
        "seed": SEED,
        **{f"{PACKAGE_PARAM}{name}": number for name, number in list_packages(fit.estimator).items()},
        **{f"retrain.{name}": value for name, value in spec.retrain.model_dump(mode="json").items()},
    }


def _log_model(spec: ModelSpec, fit: Fit) -> str:
    import mlflow
    from mlflow.models import infer_signature

    trusted = require_trusted(spec, fit.estimator)
    features, _ = split_features(spec, fit.rows)
    example = features[:EXAMPLE_ROWS]
    with warnings.catch_warnings():
        # MLflow warns that integers cannot be missing. The spec makes those that may be missing float64.
        warnings.filterwarnings("ignore", message="Hint: Inferred schema contains integer")
        logged = mlflow.sklearn.log_model(
            fit.estimator,
            name="model",
            serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
            skops_trusted_types=trusted,
            signature=infer_signature(features, fit.estimator.predict(example)),
            input_example=example,
            pip_requirements=["scikit-learn", "skops", *find_packages(trusted)],
        )
    return str(logged.model_uri)
