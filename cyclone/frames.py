"""Rows as the frame that an estimator sees: training and serving build it here, so types never differ."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cyclone.spec import Feature, ModelSpec

if TYPE_CHECKING:
    import pandas as pd


def frame_from_rows(spec: ModelSpec, rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """One row each, columns in `spec.feature_names` order; other keys are left out, a missing one is null.

    integer → int64, number → float64, boolean → bool, category and text → object holding str.
    Nullable: integer and number → float64 with NaN, the others → object with None.
    """
    import pandas as pd

    columns = {
        feature.name: pd.Series([row.get(feature.name) for row in rows], dtype=find_dtype(feature))
        for feature in spec.features
    }
    return pd.DataFrame(columns, columns=spec.feature_names, copy=False)


def find_dtype(feature: Feature) -> str:
    """The name of a feature's NumPy dtype; it depends on the spec alone, never on the rows."""
    if feature.type == "number":
        return "float64"
    if feature.type == "integer":
        return "float64" if feature.nullable else "int64"
    if feature.type == "boolean" and not feature.nullable:
        return "bool"
    return "object"
