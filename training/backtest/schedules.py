"""The peers of a policy in a backtest. They retrain on fixed days, with the policy's versions, gate and corrections."""

from dataclasses import dataclass

from training.backtest.history import History
from training.backtest.matrix import Matrix
from training.backtest.walk import Reason, Run, Walk, follow

DAILY = "daily"
"""The peer with a version for every day. It is told apart because hardly any of them serves for longer."""


@dataclass(frozen=True)
class Schedule:
    """A peer that retrains on given days."""

    name: str
    days: tuple[int, ...]
    """The days of its retrainings. None of them is the start."""
    is_corrected: bool = True


def build_schedules(history: History, start: int) -> list[Schedule]:
    """The schedules never without corrections, never, on the first of each month, every seven days, and every day."""
    days = range(start + 1, history.day_count)
    return [
        Schedule("never, raw", (), is_corrected=False),
        Schedule("never", ()),
        Schedule("monthly", tuple(day for day in days if history.time_of(day).day == 1)),
        Schedule("weekly", tuple(range(start, history.day_count, 7)[1:])),
        Schedule(DAILY, tuple(days)),
    ]


def spread_evenly(name: str, start: int, end: int, count: int) -> Schedule:
    """A schedule with `count` retrainings at equal distances between the days `start` and `end`.

    >>> spread_evenly("two", 0, 30, 2).days
    (10, 20)
    """
    return Schedule(name, tuple(start + round(place * (end - start) / (count + 1)) for place in range(1, count + 1)))


def follow_schedule(matrix: Matrix, start: int, schedule: Schedule) -> Run:
    """Walk through the history by a schedule."""
    days = frozenset(schedule.days)

    def ask(_: Walk, day: int) -> Reason | None:
        return Reason(schedule.name) if day in days else None

    return follow(matrix, start, ask, is_corrected=schedule.is_corrected)
