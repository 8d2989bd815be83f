"""The best schedule in hindsight, beside all schedules tried one by one."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from cyclone.spec import ModelSpec
from training.backtest.hindsight import Hindsight, find_best_schedules
from training.backtest.history import build_history
from training.backtest.matrix import Matrix

START = 20
GRID = [20, 24, 28, 32, 36]


class LastMean:
    """Predicts the mean of the newest two days that it was fitted on."""

    def fit(self, features: pd.DataFrame, labels: "pd.Series[float]") -> "LastMean":
        self.mean = float(labels.tail(2 * 24).mean())
        return self

    def predict(self, features: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        return np.full(len(features), self.mean)


@pytest.fixture
def matrix() -> Matrix:
    spec = ModelSpec.model_validate(
        {
            "name": "m",
            "task": "regression",
            "features": [{"name": "hour", "type": "integer"}],
            "label": {"name": "y", "type": "number", "expected_delay_hours": 24},
            "retrain": {"minimum_rows": 50, "holdout_days": 3},
        }
    )
    times = pd.Series(pd.date_range("2011-01-01", periods=24 * 40, freq="h", tz="UTC"))
    walk = np.random.default_rng(3).normal(0, 3, 40).cumsum()
    noise = np.random.default_rng(4).normal(0, 1, len(times))
    frame = pd.DataFrame({"created_at": times, "hour": times.dt.hour, "label": np.repeat(walk, 24) + noise})
    return Matrix(build_history(spec, frame), LastMean)


def find_error(matrix: Matrix, days: tuple[int, ...]) -> float:
    ends = [*days[1:], matrix.history.day_count]
    parts = [matrix.measure(day, day, end) for day, end in zip(days, ends, strict=True)]
    return float(np.concatenate(parts).mean())


def test_it_finds_what_trying_all_schedules_finds(matrix: Matrix) -> None:
    found = find_best_schedules(matrix, START, GRID, 4)
    for count in range(len(GRID)):
        tried = {(START, *days): 0.0 for size in range(count + 1) for days in combinations(GRID[1:], size)}
        best = min(find_error(matrix, days) for days in tried)
        assert found.errors[count] == pytest.approx(best)
        assert find_error(matrix, (START, *found.days[count])) == pytest.approx(best)
    assert found.find_error(99) == found.errors[-1]


def test_the_dearer_a_retraining_the_fewer_pay() -> None:
    found = Hindsight(7, (5.0, 3.0, 2.5), ((), (4,), (4, 8)))
    assert [found.find_cost(10, cost) for cost in (0, 10, 30)] == [25, 40, 50]
