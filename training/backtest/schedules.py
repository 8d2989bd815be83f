"""The peers of a policy in a backtest: retraining on fixed days."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cyclone.losses import measure_losses
from training.backtest.history import History
from training.backtest.replay import Builder, predict_rest
from training.fit.train import fit_estimator

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Schedule:
    """A peer: retrain on all that is known on given days, without gate, calibration or question."""

    name: str
    days: tuple[int, ...]
    """The first is the start; the others are retrainings."""

    @property
    def retrainings(self) -> int:
        return len(self.days) - 1


def build_schedules(history: History, start: int) -> list[Schedule]:
    """Never, on the first of each month, every seven days, and every day."""
    days = range(start, history.day_count)
    months = [day for day in days if day > start and history.time_of(day).day == 1]
    return [
        Schedule("never", (start,)),
        Schedule("monthly", (start, *months)),
        Schedule("weekly", tuple(days[::7])),
        Schedule("daily", tuple(days)),
    ]


def fit_schedule_day(history: History, build: Builder, day: int, until: int) -> "tuple[int, Array]":
    """Train at `day` on what is known, and predict the rows of the days up to before `until`."""
    known, served = history.training_rows(day), history.rows_of(day, until)
    parts = history.features[known], history.labels[known], history.created_at[known]
    estimator = fit_estimator(history.spec, build, *parts)
    return day, predict_rest(history, estimator, served.start, served.stop)[served]


def score_schedule(history: History, schedule: Schedule, predicted: "dict[int, Array]") -> "Array":
    """Each row's loss, NaN before the start."""
    import numpy as np

    losses = np.full(len(history.days), np.nan)
    ends = [*schedule.days[1:], history.day_count]
    for day, end in zip(schedule.days, ends, strict=True):
        rows = history.rows_of(day, end)
        answers = predicted[day][: rows.stop - rows.start]
        if len(answers):
            losses[rows] = measure_losses(history.spec, history.numbers[rows], answers)
    return losses
