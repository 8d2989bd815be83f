"""Rows as the frame that an estimator sees: training and serving build it here, so that types never differ."""

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cyclone.spec import Feature, ModelSpec

if TYPE_CHECKING:
    import pandas as pd


def frame_from_rows(spec: ModelSpec, rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """One row each, columns in `spec.feature_names` order; other keys are left out, a missing one is null.

    integer → int64, number → float64, boolean → bool, category and text → object holding str.
    Nullable: integer and number → float64 with NaN, the others → object with None.
    Errors: TypeError for a null or a fraction where the spec allows none.
    """
    import pandas as pd

    return pd.DataFrame(
        {feature.name: _build_column(feature, [row.get(feature.name) for row in rows]) for feature in spec.features}
    )


def find_dtype(feature: Feature) -> str:
    """The name of a feature's NumPy dtype; it depends on the spec alone, never on the rows."""
    if feature.type == "number":
        return "float64"
    if feature.type == "integer":
        return "float64" if feature.nullable else "int64"
    if feature.type == "boolean" and not feature.nullable:
        return "bool"
    return "object"


def _build_column(feature: Feature, values: list[Any]) -> Any:
    """A Series a column would take four times as long; `array` refuses what NumPy would bend into shape."""
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
    return np.frombuffer(array("q" if dtype == "int64" else "d", values), dtype=dtype).copy()
