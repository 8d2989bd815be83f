"""The peers of a policy in a backtest, which retrain on fixed days."""

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
    """A peer that retrains on given days on everything known then. It has no gate and no calibration."""

    name: str
    days: tuple[int, ...]
    """The days of training. The first is the start of the replay, and the others are retrainings."""

    @property
    def retrainings(self) -> int:
        return len(self.days) - 1


def build_schedules(history: History, start: int) -> list[Schedule]:
    """The schedules never, on the first of each month, every seven days, and every day."""
    days = range(start, history.day_count)
    months = [day for day in days if day > start and history.time_of(day).day == 1]
    return [
        Schedule("never", (start,)),
        Schedule("monthly", (start, *months)),
        Schedule("weekly", tuple(days[::7])),
        Schedule("daily", tuple(days)),
    ]


def fit_schedule_day(history: History, build: Builder, day: int, until: int) -> "tuple[int, Array]":
    """Train at `day` on what is known then, and predict the rows from `day` to before day `until`."""
    known, served = history.training_rows(day), history.rows_of(day, until)
    parts = history.features[known], history.labels[known], history.created_at[known]
    estimator = fit_estimator(history.spec, build, *parts)
    return day, predict_rest(history, estimator, served.start, served.stop)[served]


def score_schedule(history: History, schedule: Schedule, predicted: "dict[int, Array]") -> "Array":
    """The loss of each row under a schedule, NaN before the start."""
    import numpy as np

    losses = np.full(len(history.days), np.nan)
    ends = [*schedule.days[1:], history.day_count]
    for day, end in zip(schedule.days, ends, strict=True):
        rows = history.rows_of(day, end)
        answers = predicted[day][: rows.stop - rows.start]
        if len(answers):
            losses[rows] = measure_losses(history.spec, history.numbers[rows], answers)
    return losses
