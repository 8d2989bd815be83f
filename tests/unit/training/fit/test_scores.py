from typing import Any

import numpy as np
import pandas as pd
import pytest

from cyclone.errors import DataError
from tests.unit.training.fit.toys import build_spec
from training.fit.scores import measure, predict


class FixedClassifier:
    """Answers the same probabilities for the classes it was made with."""

    def __init__(self, classes: list[Any], probabilities: list[list[float]]) -> None:
        self.classes_ = np.array(classes)
        self.probabilities = probabilities

    def predict_proba(self, features: pd.DataFrame) -> list[list[float]]:
        return self.probabilities


def test_a_regression_is_measured_by_its_absolute_error() -> None:
    found = measure(build_spec("regression"), np.array([1.0, 4.0]), pd.Series([2.0, 1.0]))
    assert found == pytest.approx(
        {
            "mean_absolute_error": 2.0,
            "root_mean_squared_error": 5**0.5,
            "bias": 1.0,
            "weighted_absolute_percentage_error": 4 / 3,
        }
    )


def test_a_binary_model_is_measured_by_what_it_gave_the_truth() -> None:
    spec = build_spec("binary")
    given = predict(spec, FixedClassifier([False, True], [[0.75, 0.25], [0.5, 0.5]]), pd.DataFrame())
    assert given.tolist() == [0.25, 0.5]
    found = measure(spec, given, pd.Series([False, True]))
    brier = (0.25**2 + 0.5**2) / 2
    assert found == pytest.approx(
        {"log_loss": -(np.log(0.75) + np.log(0.5)) / 2, "brier_score": brier, "error_rate": 0}
    )


def test_a_multiclass_model_answers_in_the_order_of_the_spec() -> None:
    spec = build_spec("multiclass")
    given = predict(spec, FixedClassifier(["c", "a", "b"], [[0.5, 0.25, 0.25]]), pd.DataFrame())
    assert given.tolist() == [[0.25, 0.25, 0.5]]
    found = measure(spec, given, pd.Series(["c"]))
    assert found == pytest.approx({"log_loss": np.log(2), "brier_score": 0.375, "error_rate": 0})
    assert measure(spec, given, pd.Series(["a"]))["error_rate"] == 1


def test_a_certain_mistake_costs_much_but_not_infinitely_much() -> None:
    found = measure(build_spec("binary"), np.array([0.0]), pd.Series([True]))
    assert found["log_loss"] == pytest.approx(36.04, abs=0.01)


def test_a_class_that_no_training_row_had_is_named() -> None:
    with pytest.raises(DataError, match="no training row has the label 'b'"):
        predict(build_spec("multiclass"), FixedClassifier(["a", "c"], [[0.5, 0.5]]), pd.DataFrame())
