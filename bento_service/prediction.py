"""Predicts rows. A prediction is a number, a probability, or a probability for each class."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cyclone.calibration.correction import Calibration
from cyclone.errors import DataError
from cyclone.losses import Prediction
from cyclone.rows.frames import inputs_from_rows
from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec


def predict_rows(
    spec: ModelSpec, estimator: Any, rows: Sequence[Mapping[str, Any]], calibration: Calibration | None = None
) -> list[Prediction]:
    """One prediction for each row, corrected by the calibration if there is one.

    A regression predicts a number, a binary model the probability of true, and a multiclass model
    `{class: probability}`.
    Errors: `DataError` when the model answers something that is no finite number.
    """
    inputs = inputs_from_rows(spec, rows)
    if calibration is not None:
        return _calibrate(spec, estimator, inputs, calibration)
    if spec.task == "regression":
        return [_check(value) for value in estimator.predict(inputs).tolist()]
    probabilities = estimator.predict_proba(inputs).tolist()
    classes = estimator.classes_.tolist()
    if spec.task == "binary":
        place = find_true_class(classes)
        return [_check(row[place]) for row in probabilities]
    names = [str(name) for name in classes]
    return [dict(zip(names, map(_check, row), strict=True)) for row in probabilities]


def _calibrate(spec: ModelSpec, estimator: Any, inputs: Any, calibration: Calibration) -> list[Prediction]:
    """Calibrated predictions. The columns of a calibration of classes are in the order of `label.values`."""
    if spec.task == "regression":
        return [_check(value) for value in calibration.apply(estimator.predict(inputs)).tolist()]
    probabilities = estimator.predict_proba(inputs)
    classes = estimator.classes_.tolist()
    if spec.task == "binary":
        return [_check(value) for value in calibration.apply(probabilities[:, find_true_class(classes)]).tolist()]
    names = [str(name) for name in spec.label.values or ()]
    ordered = probabilities[:, [[str(name) for name in classes].index(name) for name in names]]
    return [dict(zip(names, map(_check, row), strict=True)) for row in calibration.apply(ordered).tolist()]


def build_probe_row(spec: ModelSpec) -> dict[str, Any]:
    """A row that the spec allows. It is predicted at the start, for a model that cannot answer it must not serve."""
    return {feature.name: build_probe_value(feature) for feature in spec.features}


def build_probe_value(field: Feature | Label) -> Any:
    """A value that the field allows."""
    if field.values:
        return field.values[0]
    if field.type == "boolean":
        return True
    if field.type == "text":
        return "text"
    lower, upper = field.range or (0.0, 0.0)
    return math.ceil(lower) if field.type == "integer" else lower / 2 + upper / 2  # their sum may be too large


def find_true_class(classes: Sequence[Any]) -> int:
    """The place of the class `True` or 1. Errors: `DataError` with the classes when neither is among them."""
    if True not in classes:
        raise DataError(
            f"a binary model needs the class true, and this one has {list(classes)}. Train it on true and false"
        )
    return classes.index(True)


def _check(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise DataError("the model answered a number that is not finite")
    return number
