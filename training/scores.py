"""How far predictions are from the truth, by the task's own metric: smaller is better."""

from typing import TYPE_CHECKING, Any

from cyclone.errors import DataError
from cyclone.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def predict(spec: ModelSpec, estimator: Any, features: Any) -> "np.ndarray[Any, Any]":
    """Regression → values; binary → P(true); multiclass → one column a class, as in `label.values`."""
    import numpy as np

    if spec.task == "regression":
        return np.asarray(estimator.predict(features), dtype="float64")
    probabilities = np.asarray(estimator.predict_proba(features), dtype="float64")
    classes = list(estimator.classes_)
    wanted = [True] if spec.task == "binary" else list(spec.label.values or ())
    missing = [name for name in wanted if name not in classes]
    if missing:
        raise DataError(f"{spec.name}: no training row has the label {missing[0]!r}; labels there: {classes}")
    ordered = probabilities[:, [classes.index(name) for name in wanted]]
    return ordered[:, 0] if spec.task == "binary" else ordered


def measure(spec: ModelSpec, predictions: "np.ndarray[Any, Any]", labels: "pd.Series[Any]") -> dict[str, float]:
    """The metrics of predictions; `spec.error_metric` is among them, as an average over rows."""
    import numpy as np

    if spec.task == "regression":
        differences = predictions - labels.to_numpy(dtype="float64")
        return {
            "mean_absolute_error": float(np.abs(differences).mean()),
            "root_mean_squared_error": float(np.sqrt((differences**2).mean())),
            "bias": float(differences.mean()),
        }
    return {"log_loss": float(list_errors(spec, predictions, labels).mean())}


def list_errors(
    spec: ModelSpec, predictions: "np.ndarray[Any, Any]", labels: "pd.Series[Any]"
) -> "np.ndarray[Any, Any]":
    """What each row adds to `spec.error_metric`: |prediction - label|, or -ln(probability of the true label)."""
    import numpy as np

    if spec.task == "regression":
        return np.asarray(np.abs(predictions - labels.to_numpy(dtype="float64")))
    if spec.task == "binary":
        truths = labels.to_numpy(dtype="bool")
        given = np.where(truths, predictions, 1 - predictions)
    else:
        columns = {name: place for place, name in enumerate(spec.label.values or ())}
        given = predictions[np.arange(len(labels)), [columns[label] for label in labels]]
    smallest = np.finfo("float64").eps  # as in scikit-learn's log_loss
    return np.asarray(-np.log(np.clip(given, smallest, 1)))


def measure_error(spec: ModelSpec, estimator: Any, features: Any, labels: "pd.Series[Any]") -> float:
    """The one number that a gate compares."""
    return measure(spec, predict(spec, estimator, features), labels)[spec.error_metric]
