"""Predictions of an estimator, and their error by the metrics of the task. A smaller error is better."""

from typing import TYPE_CHECKING, Any

from cyclone.errors import DataError
from cyclone.losses import bound_numbers, measure_losses
from cyclone.spec import ModelSpec
from training.fit.repeatable import one_job

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def predict(spec: ModelSpec, estimator: Any, features: Any) -> "np.ndarray[Any, Any]":
    """The predictions of an estimator, one row each. They are the same bits every time, on any number of cores.

    A regression gives values and a binary task the probability of true, both of shape (rows,). A multiclass task gives
    probabilities of shape (rows, classes), in the order of `label.values`.
    Errors: `DataError` when no training row had one of the classes.
    """
    import numpy as np

    with one_job(len(features)):
        if spec.task == "regression":
            return np.asarray(estimator.predict(features), dtype="float64")
        probabilities = np.asarray(estimator.predict_proba(features), dtype="float64")
    # An estimator sorts its classes, and the spec has an order of its own.
    classes = list(estimator.classes_)
    wanted = [True] if spec.task == "binary" else list(spec.label.values or ())
    missing = [name for name in wanted if name not in classes]
    if missing:
        raise DataError(
            f"{spec.name}: no training row has the label {missing[0]!r}, only {classes}. Train on rows that have every"
            " class, or remove the class from label.values in model.yaml"
        )
    ordered = probabilities[:, [classes.index(name) for name in wanted]]
    return ordered[:, 0] if spec.task == "binary" else ordered


def encode_labels(spec: ModelSpec, labels: "pd.Series[Any]") -> "np.ndarray[Any, Any]":
    """Labels as numbers, shape (rows,).

    A regression's labels stay as they are. A binary label is 0 or 1. A multiclass label is its place in `label.values`.
    """
    import numpy as np

    if spec.task == "multiclass":
        places = {name: place for place, name in enumerate(spec.label.values or ())}
        return np.array([places[label] for label in labels], dtype="int64")
    return labels.to_numpy(dtype="float64" if spec.task == "regression" else "int64")


def measure(spec: ModelSpec, predictions: "np.ndarray[Any, Any]", labels: "pd.Series[Any]") -> dict[str, float]:
    """The metrics of predictions by name, each as the error check of the same name defines it.

    Only `bias` differs: it keeps its sign here. `spec.error_metric` is among them, as a mean over rows.
    """
    import numpy as np

    truths = encode_labels(spec, labels)
    losses = measure_losses(spec, truths, predictions)
    if spec.task != "regression":
        return {"log_loss": float(losses.mean()), **_measure_classes(spec, predictions, truths)}
    truths = bound_numbers(truths)
    differences = bound_numbers(predictions) - truths
    metrics = {
        "mean_absolute_error": float(losses.mean()),
        "root_mean_squared_error": float(np.sqrt((differences**2).mean())),
        "bias": float(differences.mean()),
    }
    # Without any truth above 0 this percentage has no meaning.
    if total := float(np.abs(truths).sum()):
        metrics["weighted_absolute_percentage_error"] = float(losses.sum()) / total
    return metrics


def _measure_classes(
    spec: ModelSpec, predictions: "np.ndarray[Any, Any]", truths: "np.ndarray[Any, Any]"
) -> dict[str, float]:
    import numpy as np

    if spec.task == "binary":
        squares, is_wrong = (predictions - truths) ** 2, (predictions >= 0.5) != truths
    else:
        squares = ((predictions - np.eye(predictions.shape[1])[truths]) ** 2).sum(axis=1)
        is_wrong = predictions.argmax(axis=1) != truths
    return {"brier_score": float(squares.mean()), "error_rate": float(is_wrong.mean())}


def list_errors(
    spec: ModelSpec, predictions: "np.ndarray[Any, Any]", labels: "pd.Series[Any]"
) -> "np.ndarray[Any, Any]":
    """The loss of each row, shape (rows,). Its mean is `spec.error_metric`.

    It is |prediction - label| for a regression, else -ln(probability of the true label).
    """
    return measure_losses(spec, encode_labels(spec, labels), predictions)
