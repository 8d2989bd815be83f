import math
from typing import Any

import pytest

from cyclone.errors import RehearsalError
from cyclone.losses import Prediction, compute_error
from cyclone.spec import ModelSpec
from releasing.rehearsal import Rehearsal, check_limits, check_skew, summarize


@pytest.mark.parametrize(
    ("label", "prediction", "error"),
    [
        (10, 12.5, 2.5),
        (True, 0.8, -math.log(0.8)),
        (False, 0.8, -math.log(0.2)),
        ("b", {"a": 0.9, "b": 0.1}, -math.log(0.1)),
        ("c", {"a": 0.9, "b": 0.1}, -math.log(2.220446049250313e-16)),
    ],
)
def test_an_error_is_that_of_the_checks(label: object, prediction: Prediction, error: float) -> None:
    assert compute_error(label, prediction) == pytest.approx(error)


@pytest.mark.parametrize("served", [[1.0, 2.1], [1.0, {"a": 1.0}], [1.0, math.nan]])
def test_an_image_that_answers_otherwise_than_the_registered_model_is_refused(
    bike_demand: ModelSpec, served: list[Prediction]
) -> None:
    rows = [{"id": "one"}, {"id": "two"}]
    check_skew(bike_demand, rows, [1.0, 2.0000000001], [1.0, 2.0])
    check_skew(bike_demand, rows[:1], [{"a": 0.3, "b": 0.7}], [{"a": 0.3, "b": 0.7}])
    with pytest.raises(RehearsalError, match="answers logged row two with"):
        check_skew(bike_demand, rows, served, [1.0, 2.0])


def test_both_errors_are_of_the_rows_that_the_champion_answered_and_somebody_labelled() -> None:
    labelled: dict[str, Any] = {"label": 10, "champion_prediction": 14.0}
    rows = [labelled] * 20 + [{"label": None, "champion_prediction": 14.0}, {"label": 10, "champion_prediction": None}]
    latencies = [float(number) for number in range(1, 23)]
    assert summarize(rows, [11.0] * 22, latencies) == Rehearsal(22, 21.0, 20, 1.0, 4.0)
    assert summarize(rows[1:], [11.0] * 21, latencies[1:]) == Rehearsal(21, 21.0, 19, None, None)


def test_a_slow_or_worse_candidate_is_refused(bike_demand: ModelSpec) -> None:
    check_limits(bike_demand, Rehearsal(200, 500.0, 100, 10.0, 10.0))
    check_limits(bike_demand, Rehearsal(200, 500.0, 3, None, None))
    with pytest.raises(
        RehearsalError, match=r"95 % took up to 501 ms\. release.rehearsal_latency_ms in model.yaml allows 500"
    ):
        check_limits(bike_demand, Rehearsal(200, 501.0, 100, 10.0, 10.0))
    with pytest.raises(RehearsalError, match=r"error 10.3 on 100 logged rows is above the allowed 10.2"):
        check_limits(bike_demand, Rehearsal(200, 5.0, 100, 10.3, 10.0))
