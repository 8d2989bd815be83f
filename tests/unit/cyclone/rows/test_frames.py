import numpy as np
import pandas as pd
import pytest

from cyclone.rows.frames import frame_from_rows
from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec

FEATURES = (
    Feature(name="hour", type="integer"),
    Feature(name="floor", type="integer", nullable=True),
    Feature(name="wind", type="number", nullable=True),
    Feature(name="open", type="boolean"),
    Feature(name="sunny", type="boolean", nullable=True),
    Feature(name="sky", type="category", values=("clear", "grey")),
    Feature(name="note", type="text", nullable=True),
)
LABEL = Label(name="y", type="number", expected_delay_hours=1)
SPEC = ModelSpec(name="shop", task="regression", features=FEATURES, label=LABEL)
FULL = {"hour": 1, "floor": 2, "wind": 1, "open": True, "sunny": False, "sky": "grey", "note": "x", "more": 0}
NULLS = {"hour": 2, "floor": None, "wind": None, "open": False, "sunny": None, "sky": "clear"}
DTYPES = ["int64", "float64", "float64", "bool", "object", "object", "object"]


def test_rows_become_columns_in_the_order_of_the_spec_with_nulls() -> None:
    frame = frame_from_rows(SPEC, [FULL, NULLS])
    assert list(frame.columns) == SPEC.feature_names
    assert [str(dtype) for dtype in frame.dtypes] == DTYPES
    assert frame["floor"].tolist()[0] == 2.0
    assert np.isnan(frame["floor"].tolist()[1])
    assert frame["sunny"].tolist() == [False, None]
    assert frame["note"].tolist() == ["x", None]


@pytest.mark.parametrize("rows", [[], [FULL], [NULLS, NULLS]])
def test_types_depend_on_the_spec_alone(rows: list[dict[str, object]]) -> None:
    frame = frame_from_rows(SPEC, rows)
    assert [str(dtype) for dtype in frame.dtypes] == DTYPES
    assert isinstance(frame.index, pd.RangeIndex)


@pytest.mark.parametrize(
    ("feature", "value", "reason"),
    [
        ("hour", None, "'NoneType' object cannot be interpreted as an integer"),
        ("hour", 1.5, "'float' object cannot be interpreted as an integer"),
        ("open", None, "open"),
        ("open", 1, "open"),
        ("wind", "1", "must be real number, not str"),
    ],
)
def test_a_value_that_the_spec_does_not_allow_is_never_bent_into_shape(
    feature: str, value: object, reason: str
) -> None:
    with pytest.raises(TypeError, match=reason):
        frame_from_rows(SPEC, [FULL, {**FULL, feature: value}])
