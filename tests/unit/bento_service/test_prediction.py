from typing import Any

import numpy as np
import pytest

from bento_service.prediction import build_probe_row, find_true_class, predict_rows
from cyclone.errors import DataError
from cyclone.rows import validate_rows
from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec

FEATURES = (Feature(name="x", type="number", range=(0, 1)),)
ROWS = [{"x": 0.0}, {"x": 1.0}]


def make_spec(task: Any, **label: Any) -> ModelSpec:
    return ModelSpec(name="shop", task=task, features=FEATURES, label=Label(name="y", expected_delay_hours=1, **label))


class Answering:
    """An estimator that answers what it is told; `x` reaches it as a float column."""

    def __init__(self, answer: list[Any], classes: list[Any] | None = None) -> None:
        self.answer = np.array(answer)
        self.classes_ = np.array(classes or [])

    def predict(self, frame: Any) -> Any:
        assert frame["x"].tolist() == [0.0, 1.0]
        return self.answer

    predict_proba = predict


def test_a_regression_is_a_number_a_row() -> None:
    assert predict_rows(make_spec("regression", type="number"), Answering([1, 2]), ROWS) == [1.0, 2.0]


@pytest.mark.parametrize("classes", [[False, True], [0, 1]])
def test_a_binary_prediction_is_the_probability_of_true(classes: list[Any]) -> None:
    estimator = Answering([[0.9, 0.1], [0.25, 0.75]], classes)
    assert predict_rows(make_spec("binary", type="boolean"), estimator, ROWS) == [0.1, 0.75]


def test_a_multiclass_prediction_is_a_probability_for_each_class() -> None:
    estimator = Answering([[0.5, 0.5], [0, 1]], ["no", "yes"])
    spec = make_spec("multiclass", type="category", values=("no", "yes"))
    assert predict_rows(spec, estimator, ROWS) == [{"no": 0.5, "yes": 0.5}, {"no": 0.0, "yes": 1.0}]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_answer_that_is_not_finite_is_an_error(value: float) -> None:
    with pytest.raises(DataError, match="not finite"):
        predict_rows(make_spec("regression", type="number"), Answering([1, value]), ROWS)


def test_a_binary_model_without_the_class_true_is_named() -> None:
    with pytest.raises(DataError, match=r"\['no', 'yes'\]"):
        find_true_class(["no", "yes"])


def test_the_probe_row_is_one_that_the_spec_allows() -> None:
    every = (
        *FEATURES,
        Feature(name="i", type="integer", range=(0.5, 3)),
        Feature(name="n", type="number"),
        Feature(name="b", type="boolean"),
        Feature(name="c", type="category", values=("a",)),
        Feature(name="t", type="text"),
    )
    spec = make_spec("regression", type="number").model_copy(update={"features": every})
    assert validate_rows(spec, [build_probe_row(spec)]) == []
