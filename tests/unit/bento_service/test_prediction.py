from typing import Any

import numpy as np
import pytest

from bento_service.prediction import build_probe_row, find_true_class, predict_rows
from cyclone.calibration.correction import Calibration
from cyclone.errors import DataError
from cyclone.rows.frames import frame_from_rows
from cyclone.rows.validation import validate_rows
from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec
from training.fit.scores import predict

FEATURES = (Feature(name="x", type="number", range=(0, 1)),)
ROWS = [{"x": 0.0}, {"x": 1.0}]
SEASONS: dict[str, Any] = {"type": "category", "values": ("winter", "autumn", "spring")}
THREE_CLASSES = ([[0.2, 0.3, 0.5], [0.7, 0.2, 0.1]], ["autumn", "spring", "winter"])
PRIOR_OF_TWO = Calibration("prior_shift", (-0.5, 0.5))


def make_spec(task: Any, **label: Any) -> ModelSpec:
    return ModelSpec(name="shop", task=task, features=FEATURES, label=Label(name="y", expected_delay_hours=1, **label))


class Answering:
    """An estimator that answers what it is told. `x` reaches it as a float column."""

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


CALIBRATED = [
    ({"task": "regression", "type": "number"}, [10.0, 20.0], [], Calibration("ratio", (1.5,))),
    ({"task": "binary", "type": "boolean"}, [[0.9, 0.1], [0.25, 0.75]], [False, True], PRIOR_OF_TWO),
    ({"task": "binary", "type": "boolean"}, [[0.1, 0.9], [0.75, 0.25]], [True, False], PRIOR_OF_TWO),
    ({"task": "multiclass", **SEASONS}, *THREE_CLASSES, Calibration("prior_shift", (1.0, -1.0, 0.5))),
    ({"task": "multiclass", **SEASONS}, *THREE_CLASSES, Calibration("temperature", (0.5,))),
]


@pytest.mark.parametrize(("kind", "answers", "classes", "calibration"), CALIBRATED)
def test_a_calibration_serves_what_it_was_fitted_to_give(
    kind: dict[str, Any], answers: list[Any], classes: list[Any], calibration: Calibration
) -> None:
    """The training side has its classes in the order of `label.values`, the estimator in its own."""
    spec, estimator = make_spec(**kind), Answering(answers, classes)
    wanted = calibration.check(spec).apply(predict(spec, estimator, frame_from_rows(spec, ROWS))).tolist()
    served: list[Any] = list(predict_rows(spec, estimator, ROWS, calibration))
    if spec.task == "multiclass":
        assert [list(item) for item in served] == [list(SEASONS["values"])] * 2
        served = [list(item.values()) for item in served]
    assert served == wanted
    assert served != predict_rows(spec, estimator, ROWS)


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
