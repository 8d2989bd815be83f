"""The scores of refits in a backtest, which service keeps in the table `refit_score`.

A refit is a version of the matrix. It is scored on `REFIT_DAYS` days from the day of its training on, once all of their
labels are known.
"""

import math

from cyclone.errors import DataError
from cyclone.policy.facts import RefitDay
from cyclone.policy.refits import REFIT_DAYS, list_windows
from cyclone.sections import Window
from cyclone.times import count_days
from training.backtest.history import History
from training.backtest.matrix import Matrix
from training.backtest.walk import Walk


class ScoredRefits:
    """The days on which the version that served was scored beside refits, as far as a walk has come."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix, self.history = matrix, matrix.history
        self.days: list[RefitDay] = []
        self.next = 0

    def follow(self, walk: Walk, day: int) -> None:
        """Score the refits whose labels are known at `day`, on the days that the present version has served."""
        self.next = max(self.next, find_stretch(self.history, walk.start))
        while is_known(self.history, self.next + REFIT_DAYS, day):
            for scored in range(max(self.next, walk.start), self.next + REFIT_DAYS):
                self.score(walk, scored)
            self.next += REFIT_DAYS

    def score(self, walk: Walk, day: int) -> None:
        """Score one day, unless it has no rows, or too little was known to refit."""
        rows = self.history.rows_of(day, day + 1)
        if rows.stop == rows.start:
            return
        own, errors = float(walk.run.losses[rows].mean()), self.measure(day)
        if errors and math.isfinite(own):
            served = int(walk.version_of[rows.start])
            self.days.append(RefitDay(self.history.time_of(day), served, rows.stop - rows.start, own, errors))

    def measure(self, day: int) -> dict[Window, float]:
        """The mean error that a refit of each window would have had on a day, as corrected."""
        found, trained = {}, find_stretch(self.history, day)
        for window in list_refit_windows(self.history, trained):
            try:
                error = float(self.matrix.of_window(window).measure(trained, day, day + 1).mean())
            except DataError:
                continue
            if math.isfinite(error):
                found[window] = error
        return found


def find_stretch(history: History, day: int) -> int:
    """The day on which the refit is trained that is scored on a day. Stretches are the same for every version.

    It is below 0 where the history begins within its stretch.
    """
    return day - (count_days(history.first_day) + day) % REFIT_DAYS


def list_refits(history: History, start: int) -> range:
    """The days on which refits are trained in a replay that begins at `start`."""
    return range(find_stretch(history, start), history.day_count, REFIT_DAYS)


def list_refit_windows(history: History, day: int) -> list[Window]:
    """The windows that a refit of a day tries. One that holds all rows would give the refit of all days once more."""
    usual, *others = list_windows(history.spec.retrain)
    return [usual, *(window for window in others if window is not None and day > window)]


def is_known(history: History, end: int, day: int) -> bool:
    """Whether at `day` the labels of all rows before the day `end` are known."""
    return end <= day and history.known_at(day) >= history.rows_of(0, end).stop
