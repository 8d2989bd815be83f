import json
from typing import Any

import pytest

from cyclone.rows.validation import (
    RowError,
    describe_allowed,
    explain_allowed,
    is_allowed,
    list_some,
    show_value,
    validate_rows,
)
from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec

FEATURES = (
    Feature(name="hour", type="integer", range=(0, 23)),
    Feature(name="count", type="integer", nullable=True),
    Feature(name="wind", type="number", range=(0, 1.5)),
    Feature(name="open", type="boolean"),
    Feature(name="sky", type="category", values=("clear", "grey")),
    Feature(name="note", type="text", nullable=True),
)
LABEL = Label(name="y", type="number", range=(0, 10), expected_delay_hours=1)
SPEC = ModelSpec(name="shop", task="regression", features=FEATURES, label=LABEL)
GOOD: dict[str, Any] = {"hour": 0, "count": None, "wind": 1, "open": False, "sky": "grey", "note": "é"}


def test_good_rows_have_no_errors() -> None:
    rows = [GOOD, {**GOOD, "hour": 23, "count": -(2**62), "wind": 1.5, "note": None}]
    assert validate_rows(SPEC, rows) == []


def test_a_nullable_feature_may_be_left_out() -> None:
    assert validate_rows(SPEC, [{key: GOOD[key] for key in ("hour", "wind", "open", "sky")}]) == []


HOUR, WIND, SKY = "an integer from 0 to 23", "a finite number from 0 to 1.5", "one of 'clear', 'grey'"


@pytest.mark.parametrize(
    ("feature", "value", "shown", "allowed"),
    [
        ("hour", 24, 24, HOUR),
        ("hour", -1, -1, HOUR),
        ("hour", 5.0, 5.0, HOUR),
        ("hour", "5", "5", HOUR),
        ("hour", True, True, HOUR),
        ("hour", None, None, HOUR),
        ("count", 2**63, str(2**63), "an integer or null"),
        ("count", 10**400, "1" + 99 * "0" + "…", "an integer or null"),
        ("wind", float("nan"), "NaN", WIND),
        ("wind", float("inf"), "Infinity", WIND),
        ("wind", False, False, WIND),
        ("wind", 1.6, 1.6, WIND),
        ("open", 1, 1, "true or false, as JSON writes them. Only files may write 1 and 0"),
        ("open", 2, 2, "true or false"),
        ("open", "true", "true", "true or false"),
        ("sky", "green", "green", SKY),
        ("sky", "", "", SKY),
        ("sky", ["clear"], '["clear"]', SKY),
        ("note", "a\0b", "a\0b", "a text without \\u0000 or null"),
        ("note", "\ud800", "?", "a text without \\u0000 or null"),
        ("note", {"a": 1}, '{"a": 1}', "a text without \\u0000 or null"),
    ],
)
def test_a_bad_value_is_named_with_its_row_feature_and_what_is_allowed(
    feature: str, value: Any, shown: Any, allowed: str
) -> None:
    errors = validate_rows(SPEC, [GOOD, {**GOOD, feature: value}])
    assert errors == [RowError(1, feature, shown, allowed)]
    json.dumps(shown, allow_nan=False).encode()


def test_a_missing_and_an_unknown_feature_are_both_named() -> None:
    row = {key: value for key, value in GOOD.items() if key != "hour"} | {"hours": 3}
    assert validate_rows(SPEC, [row]) == [
        RowError(0, "hour", None, f"{HOUR}, but the feature is missing"),
        RowError(0, "hours", 3, "no such feature. The features are hour, count, wind, open, sky, note"),
    ]


@pytest.mark.parametrize("row", [None, 3, "row", ["hour"], True])
def test_a_row_is_an_object(row: Any) -> None:
    assert [(error.index, error.feature) for error in validate_rows(SPEC, [row])] == [(0, "row")]


def test_no_more_errors_are_named_than_the_limit() -> None:
    errors = validate_rows(SPEC, [{**GOOD, "hour": 99}] * 10, limit=3)
    assert [error.index for error in errors] == [0, 1, 2]


def test_a_long_value_and_a_long_name_are_cut() -> None:
    errors = validate_rows(SPEC, [{**GOOD, "x" * 500: "y" * 500}])
    assert errors[0].feature == "x" * 100 + "…"
    assert errors[0].value == show_value("y" * 500) == "y" * 100 + "…"


def test_a_label_is_never_null_and_keeps_its_range() -> None:
    assert describe_allowed(LABEL) == "a finite number from 0 to 10"
    assert [is_allowed(LABEL, value) for value in (0, 10, 9.5)] == [True] * 3
    assert [is_allowed(LABEL, value) for value in (None, -1, "1", True, float("nan"))] == [False] * 5


def test_without_its_values_a_category_is_any_text() -> None:
    kind = FEATURES[4].model_copy(update={"values": None})
    assert describe_allowed(kind) == "a text"
    assert [is_allowed(kind, value) for value in ("green", 5, None)] == [True, False, False]


ROUNDED = "no integer beyond 2^53 that a float rounds"


@pytest.mark.parametrize(
    ("kind", "nullable", "inputs", "value", "reason"),
    [
        ("integer", False, "frame", 2**53 + 1, None),  # an integer all the way
        ("integer", True, "frame", 2**53 + 1, ROUNDED),
        ("integer", False, "matrix", 2**53 + 1, ROUNDED),
        ("integer", True, "matrix", -(2**60), None),  # a float holds it
        ("number", False, "frame", -(2**53) - 1, ROUNDED),
        ("number", False, "frame", 2**60, None),
        ("number", False, "frame", 2**63, "a finite number"),
    ],
)
def test_an_integer_is_kept_as_it_is_or_refused_by_name(
    kind: str, nullable: bool, inputs: str, value: int, reason: str | None
) -> None:
    spec = ModelSpec.model_validate(
        {
            "name": "toy",
            "task": "regression",
            "inputs": inputs,
            "features": [{"name": "code", "type": kind, "nullable": nullable}],
            "label": {"name": "y", "type": "number", "expected_delay_hours": 0},
        }
    )
    faults = [(fault.feature, fault.allowed.split(", and ")[-1]) for fault in validate_rows(spec, [{"code": value}])]
    assert faults == ([] if reason is None else [("code", reason)])


def test_a_label_that_a_float_would_round_is_named() -> None:
    label = Label(name="y", type="integer", expected_delay_hours=0)
    assert is_allowed(label, 2**53)
    assert not is_allowed(label, 2**53 + 1)
    assert explain_allowed(label, 2**53 + 1) == "an integer, and no integer beyond 2^53 that a float rounds"
    assert explain_allowed(label, True) == "an integer"


def test_of_thousands_of_values_and_features_an_error_names_some() -> None:
    values = tuple(f"v{number}" for number in range(5000))
    kind = Feature(name="shop", type="category", values=values)
    assert is_allowed(kind, "v4999")
    assert not is_allowed(kind, "v5000")
    assert describe_allowed(kind).endswith("'v48', 'v49' and 4950 more in model.yaml")
    assert list_some(["a", "b"]) == "a, b"
