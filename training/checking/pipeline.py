"""The check of a model's pipeline.py: imported, fitted on some rows, and asked as the service asks it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cyclone.errors import ConfigurationError, CycloneError, DataError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.checking.service import ask_service
from training.data.dataset import split_features
from training.fit.model_code import describe_error, find_line, find_pipeline, load_builder, make_estimator
from training.fit.scores import predict
from training.fit.train import fit_estimator

if TYPE_CHECKING:
    import pandas as pd

FITTED_ROWS = 500
"""The rows that the check fits on. Mistakes show on so few, and a fit takes a second or so."""
ROWS_OF_A_CLASS = 10
"""The rows of each class that are among them at least, where the history has so many. Estimators need a few."""


def check_pipeline(settings: Settings, spec: ModelSpec, frame: "pd.DataFrame") -> Any:
    """Fit a model's estimator on some of the rows, and return the service's answer to one of them.

    `frame` has `created_at`, the features and `label`. Whoever trains or replays calls this first.
    Errors: `ConfigurationError` or `DataError` with what is wrong in pipeline.py, in one line.
    """
    build = load_builder(settings, spec)
    sample = take_sample(spec, frame)
    features, labels = split_features(spec, sample)
    estimator = _fit(spec, build, features, labels, sample["created_at"])
    _predict(spec, estimator, features, len(sample))
    if make_estimator(spec, build) is estimator:  # fit_estimator would meet it fitted
        raise ConfigurationError(f"{find_pipeline(settings, spec)}: build_estimator() returns one object each time")
    return ask_service(spec, estimator, read_row(spec, sample, 0))


def take_sample(spec: ModelSpec, frame: "pd.DataFrame") -> "pd.DataFrame":
    """Some rows of all times, with each class that there is."""
    step = max(1, -(-len(frame) // FITTED_ROWS))
    places = set(range(0, len(frame), step))
    if spec.task != "regression":
        for name in frame["label"].unique():
            places |= {*(frame["label"] == name).to_numpy().nonzero()[0][:ROWS_OF_A_CLASS].tolist()}
    return frame.iloc[sorted(places)].reset_index(drop=True)


def read_row(spec: ModelSpec, frame: "pd.DataFrame", place: int) -> dict[str, Any]:
    """One row's features as a client sends them."""
    import pandas as pd

    kinds: dict[str, Callable[[Any], Any]] = {"integer": int, "number": float, "boolean": bool}
    row = frame.iloc[place]
    return {
        item.name: None if pd.isna(row[item.name]) else kinds.get(item.type, str)(row[item.name])
        for item in spec.features
    }


def _fit(spec: ModelSpec, build: Callable[[], Any], features: Any, labels: Any, created_at: Any) -> Any:
    estimator = make_estimator(spec, build)
    needed = "predict" if spec.task == "regression" else "predict_proba"
    if not callable(getattr(estimator, needed, None)):
        words = (
            "a regressor, which predicts numbers" if spec.task == "regression" else "a classifier with probabilities"
        )
        raise ConfigurationError(
            f"{spec.name}: build_estimator() of pipeline.py returns {type(estimator).__name__}, which has no {needed}."
            f" The task is {spec.task}: return {words}"
        )
    try:
        fitted = fit_estimator(spec, build, features, labels, created_at)
    except DataError as error:
        given = "a frame with named columns" if spec.inputs == "frame" else "a matrix of floats without names"
        raise DataError(f"{error}. It is given {given}, as model.yaml says with inputs: {spec.inputs}") from error
    if fitted is None:
        raise ConfigurationError(f"{spec.name}: fit() of the estimator of pipeline.py returns nothing. Return self")
    return fitted


def _predict(spec: ModelSpec, estimator: Any, features: Any, rows: int) -> None:
    """Predict the rows of the fit, as training measures them."""
    import numpy as np

    try:
        predictions = predict(spec, estimator, features)
        estimator.predict(features[:1])  # MLflow is told what it gives
    except CycloneError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"{spec.name}: the estimator of pipeline.py was fitted, but cannot predict the same"
            f" rows{find_line(spec, error)}: {describe_error(error)}. Correct it there"
        ) from error
    shape = (rows, len(spec.label.values or ())) if spec.task == "multiclass" else (rows,)
    if predictions.shape != shape or not np.isfinite(predictions).all():
        raise ConfigurationError(
            f"{spec.name}: the estimator of pipeline.py predicts an array of shape {predictions.shape} for {rows} rows,"
            f" or numbers that are not finite. Needed are finite numbers of shape {shape}"
        )
