"""The matrix answers as the functions of service do, however it is asked."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from cyclone.calibration.fitting import LabelledDays, choose_calibration
from cyclone.losses import measure_losses
from cyclone.spec import ModelSpec
from training.backtest.history import History, build_history
from training.backtest.matrix import Matrix, find_fitted_rows
from training.backtest.walk import Reason, Walk, follow

DAYS = 40
VERSION = 20


class Mean:
    """Predicts the mean that it was fitted on. `fits` counts all fits."""

    fits = 0

    def fit(self, features: pd.DataFrame, labels: "pd.Series[float]") -> "Mean":
        Mean.fits += 1
        self.mean = float(labels.mean())
        return self

    def predict(self, features: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        return np.full(len(features), self.mean)


def build(every_days: int = 1) -> History:
    spec = ModelSpec.model_validate(
        {
            "name": "m",
            "task": "regression",
            "features": [{"name": "hour", "type": "integer"}],
            "label": {"name": "y", "type": "number", "range": [0, 1000], "expected_delay_hours": 24},
            "retrain": {"minimum_rows": 50, "holdout_days": 3},
            "recalibrate": {"every_days": every_days},
        }
    )
    times = pd.Series(pd.date_range("2011-01-01", periods=24 * DAYS, freq="h", tz="UTC"))
    noise = np.random.default_rng(0).uniform(0.9, 1.1, len(times))
    label = 50 * noise * 1.02 ** np.repeat(np.arange(DAYS), 24)
    return build_history(spec, pd.DataFrame({"created_at": times, "hour": times.dt.hour, "label": label}))


def test_each_day_is_corrected_as_service_would_correct_it() -> None:
    history = build()
    rows = find_fitted_rows(history, VERSION)
    assert history.days[rows.stop] == VERSION - 4  # labels of the day before are missing, and three days are held out
    raw = np.full(len(history.days), float(history.numbers[rows].mean()))
    for day in (VERSION + 5, VERSION + 9):
        known = slice(rows.stop, history.known_at(day))
        choice = choose_calibration(
            history.spec, LabelledDays(history.days[known], history.numbers[known], raw[known]), day
        )
        assert choice.calibration is not None
        served = history.rows_of(day, day + 1)
        expected = measure_losses(history.spec, history.numbers[served], choice.calibration.apply(raw[served]))
        assert Matrix(history, Mean).measure(VERSION, day, day + 1) == pytest.approx(expected)
        uncorrected = Matrix(history, Mean).measure(VERSION, day, day + 1, is_corrected=False)
        assert uncorrected == pytest.approx(measure_losses(history.spec, history.numbers[served], raw[served]))


def test_between_two_looks_a_calibration_stays() -> None:
    matrix = Matrix(build(every_days=7), Mean)
    found = [matrix.find_calibration(VERSION, day) for day in range(VERSION, VERSION + 15)]
    assert [found[day] == found[day - 1] for day in range(1, 15)] == [day % 7 != 0 for day in range(1, 15)]


def test_a_version_is_fitted_once_for_all_who_ask() -> None:
    matrix, before = Matrix(build(), Mean), Mean.fits
    first = matrix.measure(VERSION, VERSION, DAYS)
    assert (matrix.measure(VERSION, VERSION, DAYS) == first).all()
    matrix.find_calibration(VERSION, DAYS - 1)
    assert Mean.fits == before + 1


def test_a_version_that_was_prepared_for_few_days_answers_the_same_on_all() -> None:
    matrix = Matrix(build(), Mean)
    answers = matrix.prepare(VERSION, VERSION + 2)
    assert len(answers.predictions) == 24 * 6
    assert len(answers.corrections) == 2
    whole = Matrix(build(), Mean).measure(VERSION, VERSION, DAYS)
    assert (matrix.measure(VERSION, VERSION, DAYS) == whole).all()


def test_the_gain_compares_both_versions_as_corrected() -> None:
    """Growth that calibrations follow: uncorrected, the old version would be off by far more than it was."""
    matrix = Matrix(build(), Mean)
    walk = Walk(matrix, VERSION)
    new = VERSION + 12
    for day in range(VERSION, new):
        walk.serve(day)
    made = walk.retrain(new, Reason("because"))
    old, fresh = (matrix.measure(version, new, new + 7).mean() for version in (VERSION, new))
    raw = matrix.measure(new, new, new + 7, is_corrected=False).mean()
    assert made.gain == pytest.approx(old - fresh)
    assert made.gain is not None
    assert old - raw < made.gain - 5  # what a corrected old version beside an uncorrected new one would say


def test_a_day_on_which_too_little_is_known_passes_without_a_retraining() -> None:
    """Only the newest twelve days are trained on, and eleven of them have no rows."""
    history = build()
    retrain = history.spec.retrain.model_copy(update={"window_days": 12})
    frame = pd.DataFrame({"created_at": history.created_at, "hour": history.features["hour"], "label": history.numbers})
    day = (frame["created_at"] - frame["created_at"].iloc[0]) // timedelta(days=1)
    gap = frame[(day < VERSION) | (day >= VERSION + 11)]
    world = build_history(history.spec.model_copy(update={"retrain": retrain}), gap)
    asked = {VERSION + 11, DAYS - 1}
    run = follow(Matrix(world, Mean), VERSION - 1, lambda _, day: Reason("asked") if day in asked else None)
    assert [item.day for item in run.retrainings] == []


@pytest.mark.parametrize("day", range(VERSION, DAYS, 3))
def test_remembered_fits_change_no_choice(day: int) -> None:
    history = build()
    matrix = Matrix(history, Mean)
    matrix.find_calibration(VERSION, DAYS - 1)
    known = slice(find_fitted_rows(history, VERSION).stop, history.known_at(day))
    raw = matrix.answer(VERSION, known)
    rows = LabelledDays(history.days[known], history.numbers[known], raw)
    assert matrix.find_calibration(VERSION, day) == choose_calibration(history.spec, rows, day).calibration
