"""The value of one cell of a text file."""

from typing import Any

import pytest

from cyclone.rows.cells import parse_cell
from cyclone.sections import Feature, FeatureType


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "17", 17),
        ("integer", " -17 ", -17),
        ("integer", "1_000", "1_000"),
        ("integer", "17.0", "17.0"),
        ("integer", "1" * 20, "1" * 20),
        ("number", "1e-3", 0.001),
        ("number", "\t.5", 0.5),
        ("number", "7.", 7.0),
        ("number", "1_000.5", "1_000.5"),
        ("number", "9007199254740993", 2**53 + 1),  # no float: the check of the row refuses it
        ("number", "9007199254740992", 2.0**53),
        ("number", "nan", "nan"),
        ("number", "0x10", "0x10"),
        ("number", "1" * 401, "1" * 401),
        ("boolean", " TRUE", True),
        ("boolean", "0", False),
        ("boolean", "yes", "yes"),
        ("category", " a", " a"),
        ("text", " 7", " 7"),
        ("number", "", None),
        ("text", "", None),
    ],
)
def test_a_cell_has_the_value_of_its_type_or_stays_as_it_is(kind: FeatureType, text: str, value: Any) -> None:
    feature = Feature(name="x", type=kind, values=("a", "b")) if kind == "category" else Feature(name="x", type=kind)
    parsed = parse_cell(feature, text)
    assert (type(parsed), parsed) == (type(value), value)
