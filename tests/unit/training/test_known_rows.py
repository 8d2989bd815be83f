import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cyclone.frames import frame_from_rows
from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec
from training.known_rows import compute_fingerprint, parse_lines

SPEC = ModelSpec(
    name="m",
    task="regression",
    features=(
        Feature(name="count", type="integer"),
        Feature(name="maybe", type="integer", nullable=True),
        Feature(name="size", type="number"),
        Feature(name="flag", type="boolean"),
        Feature(name="colour", type="category", values=("red", "blue"), nullable=True),
        Feature(name="words", type="text"),
    ),
    label=Label(name="y", type="number", expected_delay_hours=0),
)
ROW: dict[str, Any] = {
    "count": 3,
    "maybe": None,
    "size": 2,
    "flag": True,
    "colour": "red",
    "words": 'a "quoted" é \\ \n',
}
BOUNDS = {"model": "m", "as_of": "2011-02-01T00:00:00+00:00", "since": "-infinity"}


def build_lines(*rows: dict[str, Any], label: Any = 7) -> bytes:
    lines = [
        json.dumps({"id": f"i{place}", "created_at": 1_296_518_400_000_000 + place, "label": label, "input": row})
        for place, row in enumerate(rows)
    ]
    return "\n".join(lines).encode()


def test_lines_become_the_frame_that_serving_builds() -> None:
    rows: list[dict[str, Any]] = [ROW, {**ROW, "maybe": 5, "colour": None, "size": 0.5}, {**ROW, "extra": 1}]
    frame = parse_lines(SPEC, build_lines(*rows))
    assert frame is not None
    pd.testing.assert_frame_equal(frame[SPEC.feature_names], frame_from_rows(SPEC, rows))
    assert list(frame["id"]) == ["i0", "i1", "i2"]
    assert frame["created_at"].iloc[0] == pd.Timestamp("2011-02-01", tz="UTC")
    assert frame["label"].dtype == np.dtype("float64")


@pytest.mark.parametrize(
    "change",
    [
        {"count": "3"},
        {"count": 3.5},
        {"count": None},
        {"size": "2"},
        {"flag": 1},
        {"flag": "true"},
        {"colour": 3},
        {"words": None},
    ],
)
def test_a_row_of_another_type_is_seen(change: dict[str, Any]) -> None:
    assert parse_lines(SPEC, build_lines(ROW, {**ROW, **change})) is None


def test_a_label_of_another_type_is_seen() -> None:
    assert parse_lines(SPEC, build_lines(ROW, label="7")) is None
    assert parse_lines(SPEC, build_lines(ROW, label=None)) is None


def test_no_lines_are_an_empty_frame_of_the_same_types() -> None:
    empty, one = parse_lines(SPEC, b""), parse_lines(SPEC, build_lines(ROW))
    assert empty is not None
    assert one is not None
    assert empty.dtypes.to_dict() == one.dtypes.to_dict()


def test_a_fingerprint_follows_content_and_bounds() -> None:
    first = compute_fingerprint(BOUNDS, b"x")
    assert compute_fingerprint(dict(reversed(BOUNDS.items())), b"x") == first
    assert compute_fingerprint(BOUNDS, b"y") != first
    assert compute_fingerprint({**BOUNDS, "since": "2011-01-01"}, b"x") != first
