"""The inputs of an estimator, built from rows. Training and serving both build them here, so that they never differ."""

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cyclone.sections import Feature
from cyclone.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LABEL_TYPES = {"integer": "int64", "number": "float64", "boolean": "bool", "category": "object"}
"""The NumPy dtype of a label, by its type."""


def inputs_from_rows(spec: ModelSpec, rows: Sequence[Mapping[str, Any]]) -> Any:
    """The estimator's inputs for these rows: a frame or a matrix, as `spec.inputs` says. One row each.

    Errors: those of `frame_from_rows` or `matrix_from_rows`.
    """
    return frame_from_rows(spec, rows) if spec.inputs == "frame" else matrix_from_rows(spec, rows)


def inputs_from_frame(spec: ModelSpec, frame: "pd.DataFrame") -> Any:
    """The estimator's inputs for rows that are a DataFrame already. It must have a column for each feature."""
    return frame[spec.feature_names] if spec.inputs == "frame" else matrix_from_frame(spec, frame)


def matrix_from_rows(spec: ModelSpec, rows: Sequence[Mapping[str, Any]]) -> "np.ndarray[Any, Any]":
    """A float64 matrix of shape (rows, features), with the features in the spec's order.

    A category is its place in `values`, a boolean is 0 or 1, and null is NaN.
    Errors: ValueError for a category that the spec does not list. TypeError or ValueError for a text elsewhere.
    """
    import numpy as np

    matrix = np.empty((len(rows), len(spec.features)))
    for place, feature in enumerate(spec.features):
        if feature.values is None:
            matrix[:, place] = [row.get(feature.name) for row in rows]
        else:
            matrix[:, place] = [_find_place(feature, row.get(feature.name)) for row in rows]
    return matrix


def matrix_from_frame(spec: ModelSpec, frame: "pd.DataFrame") -> "np.ndarray[Any, Any]":
    """The same matrix as `matrix_from_rows`, from rows that are a DataFrame."""
    return matrix_from_rows(spec, frame[spec.feature_names].to_dict("records"))  # type: ignore[arg-type]


def frame_from_rows(spec: ModelSpec, rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """A DataFrame with one row each, and the features as columns in the spec's order.

    Other keys of a row are left out, and a missing key is null. The dtypes are int64 for integer, float64 for number,
    bool for boolean, and object with str for category and text. A nullable integer or number is float64 with NaN. Any
    other nullable feature is object with None.
    Errors: TypeError for a null or a fraction where the spec allows none.
    """
    import pandas as pd

    return pd.DataFrame(
        {feature.name: _build_column(feature, [row.get(feature.name) for row in rows]) for feature in spec.features}
    )


def find_dtype(feature: Feature) -> str:
    """The name of a feature's NumPy dtype. It depends on the spec alone, never on the rows."""
    if feature.type == "number":
        return "float64"
    if feature.type == "integer":
        return "float64" if feature.nullable else "int64"
    if feature.type == "boolean" and not feature.nullable:
        return "bool"
    return "object"


def _build_column(feature: Feature, values: list[Any]) -> Any:
    """One column of a frame. Errors: TypeError for a value that the dtype cannot hold exactly."""
    import numpy as np
    import pandas as pd

    dtype = find_dtype(feature)
    if dtype == "object":
        return pd.Series(values, dtype="object")
    if feature.nullable:
        values = [float("nan") if value is None else value for value in values]
    if dtype == "bool":
        if not all(isinstance(value, bool | np.bool_) for value in values):
            raise TypeError(f"feature {feature.name!r} is boolean: true or false is needed in every row")
        return np.array(values, dtype=dtype)
    # `array` refuses values that NumPy would convert silently. A Series for each column would take four times as long.
    return np.frombuffer(array("q" if dtype == "int64" else "d", values), dtype=dtype).copy()


def _find_place(feature: Feature, value: str | None) -> float:
    if value is None:
        return float("nan")
    try:
        return feature.places[value]
    except KeyError:
        raise ValueError(f"feature {feature.name!r} is {value!r}, which is none of its values") from None
