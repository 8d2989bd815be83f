import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
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


TRAINED_UNTIL = datetime(2026, 1, 31, 23, tzinfo=UTC)


def label_rows(count: int, days: int, **changed: Any) -> list[dict[str, Any]]:
    """Labelled rows of the days after the training, which the champion answered with an error of 4."""
    row = {"label": 10, "champion_prediction": 14.0, **changed}
    return [{"created_at": datetime(2026, 2, 1 + number % days, tzinfo=UTC), **row} for number in range(count)]


def rehearse_rows(rows: list[dict[str, Any]], answers: Sequence[Prediction | None]) -> Rehearsal:
    return summarize(rows, answers, [float(number) for number in range(1, len(rows) + 1)], TRAINED_UNTIL)


def test_errors_are_of_rows_that_the_champion_answered_somebody_labelled_and_neither_was_trained_on() -> None:
    trained_on = label_rows(1, 1, created_at=TRAINED_UNTIL)
    others = label_rows(1, 1, label=None) + label_rows(1, 1, champion_prediction=None) + trained_on
    rows = label_rows(21, 3) + others
    assert rehearse_rows(rows, [11.0] * 21 + [99.0] * 3) == Rehearsal(24, 23.0, 21, 1.0, 4.0, 0.25)
    without_answer = rehearse_rows(label_rows(22, 3), [11.0] * 21 + [None])
    assert (without_answer.labelled_rows, without_answer.candidate_error) == (21, 1.0)


@pytest.mark.parametrize(("count", "days"), [(19, 3), (200, 2)])
def test_errors_of_few_rows_or_days_are_not_compared(count: int, days: int) -> None:
    found = rehearse_rows(label_rows(count, days), [99.0] * count)
    assert (found.labelled_rows, found.candidate_error, found.ratio_lower) == (count, None, None)


def test_of_equal_challengers_few_are_refused_where_days_are_alike(bike_demand: ModelSpec) -> None:
    """A day's errors have a level of their own, and each version meets it with a chance of its own."""
    generator, refused = np.random.default_rng(14), 0
    for _ in range(200):
        days = int(generator.integers(3, 9))
        rows = label_rows(20, days)
        level = generator.lognormal(0.0, 0.5, (days, 2)) * generator.lognormal(0.0, 0.5, (days, 1))
        errors = [level[row["created_at"].day - 1] * generator.exponential(5.0, 2) for row in rows]
        rows = [{**row, "champion_prediction": 10.0 + error[0]} for row, error in zip(rows, errors, strict=True)]
        try:
            check_limits(bike_demand, rehearse_rows(rows, [10.0 + error[1] for error in errors]))
        except RehearsalError:
            refused += 1
    assert refused <= 16  # 5 % are promised, and 17 of 200 would be chance in 2 %


def test_a_challenger_that_is_worse_on_every_day_is_refused(bike_demand: ModelSpec) -> None:
    rows = label_rows(60, 5)
    with pytest.raises(RehearsalError, match=r"shown to be more than 1\.02 × the champion's 4: at least"):
        check_limits(bike_demand, rehearse_rows(rows, [16.0 + 0.1 * (number % 3) for number in range(60)]))


def test_a_slow_candidate_is_refused(bike_demand: ModelSpec) -> None:
    check_limits(bike_demand, Rehearsal(200, 500.0, 100, 10.3, 10.0, 0.9))
    check_limits(bike_demand, Rehearsal(200, 500.0, 3, None, None))
    with pytest.raises(
        RehearsalError, match=r"95 % took up to 501 ms\. release.rehearsal_latency_ms in model.yaml allows 500"
    ):
        check_limits(bike_demand, Rehearsal(200, 501.0, 100, 10.0, 10.0))
