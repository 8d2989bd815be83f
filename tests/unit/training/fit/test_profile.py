import doctest
import json
import sys
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest

import training.fit.profile
from cyclone.checks.distances import MISSING
from cyclone.rows.frames import frame_from_rows
from cyclone.spec import ModelSpec
from training.fit.profile import Bin, build_profile, find_edges, place_rows

SPEC = ModelSpec.model_validate(
    {
        "name": "toy",
        "task": "multiclass",
        "features": [
            {"name": "month", "type": "integer", "calendar": True},
            {"name": "colour", "type": "category", "values": ["red", "blue"], "nullable": True},
            {"name": "is_new", "type": "boolean"},
            {"name": "note", "type": "text"},
        ],
        "label": {"name": "kind", "type": "category", "values": ["a", "b"], "expected_delay_hours": 0},
    }
)


def test_the_examples_hold() -> None:
    assert doctest.testmod(training.fit.profile).failed == 0


def test_every_kind_of_feature_and_the_prediction_have_their_bins() -> None:
    rows: list[dict[str, Any]] = [
        {"month": 1, "colour": "blue", "is_new": True, "note": "x"},
        {"month": 1, "colour": None, "is_new": False, "note": "y"},
        {"month": 4, "colour": "blue", "is_new": True, "note": "z"},
    ]
    predictions = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    subjects = build_profile(SPEC, frame_from_rows(SPEC, rows), predictions)
    assert [item for subject in subjects for item in subject.bins] == [
        Bin("month", MISSING, None, None, None, 0, True),
        Bin("month", 0, None, 1.0, None, 0, True),
        Bin("month", 1, 1.0, 4.0, None, 2, True),
        Bin("month", 2, 4.0, np.nextafter(4.0, 5.0), None, 1, True),
        Bin("month", 3, np.nextafter(4.0, 5.0), None, None, 0, True),
        Bin("colour", MISSING, None, None, None, 1, False),
        Bin("colour", 0, None, None, "red", 0, False),
        Bin("colour", 1, None, None, "blue", 2, False),
        Bin("is_new", MISSING, None, None, None, 0, False),
        Bin("is_new", 0, None, None, "false", 1, False),
        Bin("is_new", 1, None, None, "true", 2, False),
        Bin("prediction", 0, None, None, "a", 2, False),
        Bin("prediction", 1, None, None, "b", 1, False),
    ]


def test_numbers_get_fifteen_bins_of_about_equal_counts() -> None:
    values = np.random.default_rng(1).normal(size=1000)
    edges = find_edges(values, is_integer=False)
    counts = np.bincount(np.searchsorted(edges, values, side="right"))
    assert len(edges) == 14
    assert counts.min() >= 66
    assert counts.sum() == 1000


@pytest.mark.parametrize(
    ("values", "is_integer", "edges"),
    [
        ([5.0, 5.0, 5.0], False, []),
        ([0.0] * 50 + [1.0] * 50, False, [1.0]),
        (list(range(12)), True, [float(value) for value in range(1, 12)]),
        (list(range(20)), True, [19 / 15 * place for place in range(1, 15)]),
    ],
)
def test_edges_are_distinct_and_above_the_smallest_value(
    values: list[float], is_integer: bool, edges: list[float]
) -> None:
    assert find_edges(np.array(values), is_integer) == pytest.approx(edges)


def test_a_number_that_is_always_missing_has_only_the_missing_bin() -> None:
    spec = SPEC.model_copy(
        update={"features": (SPEC.features[0].model_copy(update={"nullable": True}),), "task": "regression"}
    )
    frame = pd.DataFrame({"month": [np.nan, np.nan]})
    month, _ = build_profile(spec, frame, np.array([1.0, 2.0]))
    assert month.bins == [Bin("month", MISSING, None, None, None, 2, True)]


@pytest.mark.parametrize(
    "values", [[-sys.float_info.max, sys.float_info.max], [sys.float_info.max], [1e300, 2e300, 3e300], [0.0], [5e-324]]
)
def test_bounds_of_extreme_numbers_are_finite_and_hold_every_row(values: list[float]) -> None:
    spec = SPEC.model_copy(
        update={"features": (SPEC.features[0].model_copy(update={"type": "number"}),), "task": "regression"}
    )
    numbers = np.array(values * 20)
    number, _ = build_profile(spec, pd.DataFrame({"month": numbers}), numbers)
    json.dumps([asdict(item) for item in number.bins], allow_nan=False)
    assert sum(item.count for item in number.bins) == len(numbers)
    assert place_rows(number.bins, numbers).tolist() == number.rows.tolist()
