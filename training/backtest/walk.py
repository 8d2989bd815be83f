"""A walk through a history: day by day one rule says when to retrain, and the gate says what comes of it.

The policy and its peers walk alike. They have the same versions, gate and daily calibrations, and differ in their rule.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cyclone.errors import DataError
from cyclone.policy.facts import DailyError
from cyclone.sections import Window
from training.backtest.history import History
from training.backtest.matrix import Matrix, find_fitted_rows

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# The gain of a retraining is measured over so many days after it: one of each weekday.
HINDSIGHT_DAYS = 7


@dataclass(frozen=True)
class Version:
    """A version that serves or has served. `day` is the day of its training, which is its first day of service."""

    number: int
    day: int
    matrix: Matrix
    """The matrix that has it, which is that of its window of training."""


@dataclass(frozen=True)
class Reason:
    """Why a rule asks for a retraining. `delay_days` is for how long the error had been too high by then."""

    words: str
    delay_days: int = 0
    window: Window = None
    """The days to train on. None stands for the window of the walk's matrix."""


@dataclass(frozen=True)
class Retraining:
    """One retraining of a walk.

    `gain` is by how much it lowered the mean error of the next days, both versions corrected as they would have been.
    It is None if the gate refused the version.
    """

    day: int
    reason: str
    is_promoted: bool
    gate: str
    delay_days: int
    gain: float | None = None

    @property
    def is_false(self) -> bool:
        return self.gain is None or self.gain <= 0


@dataclass
class Run:
    """What came of a walk.

    `losses` has one element a row, and NaN before the start. `recalibrations` counts changed calibrations.
    """

    losses: "Array"
    retrainings: list[Retraining] = field(default_factory=list)
    recalibrations: int = 0

    @property
    def error(self) -> float:
        """The mean loss of all rows since the start."""
        import numpy as np

        return float(np.nanmean(self.losses))


class Walk:
    """How far one walk has come: which version serves, and how all earlier rows were answered."""

    def __init__(self, matrix: Matrix, start: int, *, is_corrected: bool = True) -> None:
        import numpy as np

        self.matrix, self.start, self.is_corrected = matrix, start, is_corrected
        self.history: History = matrix.history
        self.run = Run(np.full(len(self.history.days), np.nan))
        self.version_of = np.zeros(len(self.history.days), dtype=int)
        self.champion = Version(1, start, matrix)
        self.earlier: list[Version] = []

    def retrain(self, day: int, reason: Reason) -> Retraining:
        """Train a version on what is known at `day`, and let it serve from then on if it passes the gate."""
        matrix = self.matrix if reason.window is None else self.matrix.of_window(reason.window)
        decision = matrix.judge(self.champion.day, day, self.champion.matrix)
        challenger = Version(self.champion.number + 1, day, matrix)
        gain = self.find_gain(challenger) if decision.passed else None
        made = Retraining(day, reason.words, decision.passed, decision.reason, reason.delay_days, gain)
        self.run.retrainings.append(made)
        if decision.passed:
            self.earlier.append(self.champion)
            self.champion = challenger
        return made

    def find_gain(self, challenger: Version) -> float:
        """How much higher the mean error of the next days would have been without a version.

        Both versions are as corrected as they would have served. The days begin with the first one that has rows.
        """
        first = int(self.history.days[self.history.rows_of(0, challenger.day).stop])
        days = first, min(first + HINDSIGHT_DAYS, self.history.day_count)
        old, new = (
            version.matrix.measure(version.day, *days, is_corrected=self.is_corrected)
            for version in (self.champion, challenger)
        )
        return float(old.mean() - new.mean())

    def serve(self, day: int) -> None:
        """Answer the rows of `day`."""
        rows = self.history.rows_of(day, day + 1)
        served, matrix = self.champion.day, self.champion.matrix
        self.version_of[rows] = self.champion.number
        self.run.losses[rows] = matrix.measure(served, day, day + 1, is_corrected=self.is_corrected)
        if self.is_corrected and day > served:
            before, now = (matrix.find_calibration(served, today) for today in (day - 1, day))
            self.run.recalibrations += before != now

    def list_labelled_days(self, version: Version, first: int, end: int) -> Iterator[tuple[DailyError, bool]]:
        """The daily errors of a version from day `first` to before `end`, by the day on which the labels were due.

        Days whose labels wait for a load after `end` are not known yet. Each day comes with whether all its labels were
        of this version's rows.
        """
        for labelled in range(first, self.history.find_load(end)):
            rows = slice(self.history.due_at(labelled), self.history.due_at(labelled + 1))
            own = self.run.losses[rows][self.version_of[rows] == version.number]
            if len(own):
                error = DailyError(self.history.time_of(labelled), float(own.mean()), len(own))
                yield error, len(own) == rows.stop - rows.start


RetrainingRule = Callable[[Walk, int], Reason | None]
"""Says on each day after the first, with what is known at 00:00 UTC of it, why to retrain. None where nothing asks."""


def follow(matrix: Matrix, start: int, rule: RetrainingRule, *, is_corrected: bool = True) -> Run:
    """Walk from day `start` to the end of the history by a rule. The first version is trained at `start`.

    A day on which too little is known to train on passes without a retraining.
    Errors: `DataError` when that is so at `start`.
    """
    walk = Walk(matrix, start, is_corrected=is_corrected)
    for day in range(start, matrix.history.day_count):
        reason = rule(walk, day)
        if reason and day > start and can_train(matrix.history, day):
            walk.retrain(day, reason)
        walk.serve(day)
    return walk.run


def can_train(history: History, day: int) -> bool:
    """Whether enough is known at `day` to train a version on."""
    try:
        find_fitted_rows(history, day)
    except DataError:
        return False
    return True
