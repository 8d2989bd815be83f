"""The matrix of a backtest: what each version would have answered on every later day, computed once for all who ask.

A version is named by the day of its training. It is trained as in service, without the newest days for the gate, on all
that is known at 00:00 UTC of that day. The policy, its peers and the best schedule in hindsight read the same matrix,
so they differ in nothing but the days on which they retrain.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from cyclone.calibration.correction import Calibration
from cyclone.calibration.fitting import (
    LabelledDays,
    answer_other_days,
    choose_calibration,
    find_memory_days,
    fit_calibration,
    is_due,
)
from cyclone.errors import DataError
from cyclone.losses import measure_losses
from cyclone.sections import CalibrationMethod, Recalibrate, Retrain, Window
from training.backtest.history import History
from training.fit.scores import measure, predict
from training.fit.train import fit_estimator, predict_unseen
from training.gate.rules import GateDecision, PairedLosses, judge

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Builder = Callable[[], Any]


@dataclass
class Answers:
    """One version of the matrix, trained on the day `day`.

    `trained_until` is the number of the first row that it has not seen. `predictions` are its raw ones, of the rows
    from there to before the day `end`. They are float64: a probability near 1 has no room in less. `corrections` has
    the calibration that it serves with on its first day and on each day after it, as far as somebody asked.
    """

    day: int
    end: int
    trained_until: int
    predictions: "Array"
    corrections: list[Calibration | None] = field(default_factory=list)
    looked: int | None = None
    fits: dict[tuple[int, int], Calibration | None] = field(default_factory=dict)
    """The calibrations that were fitted, by the first day and the number of the rows. Most are tried on many days."""

    def fit(self, method: CalibrationMethod, policy: Recalibrate, rows: LabelledDays) -> Calibration | None:
        """What `fit_calibration` gives for rows of this version, computed once."""
        key = (int(rows.day[0]) if len(rows) else -1, len(rows))
        if key not in self.fits:
            self.fits[key] = fit_calibration(method, policy, rows)
        return self.fits[key]


class Matrix:
    """Versions by the day of their training, with their predictions, calibrations, losses and gates.

    A version is fitted when it is first asked for. So is a day's calibration, by the function that chooses it in
    service. It follows from the version and the day alone: a version begins to serve on the day of its training.
    """

    def __init__(self, history: History, build: Builder) -> None:
        self.history, self.spec, self.build = history, history.spec, build
        self.versions: dict[int, Answers] = {}
        self._accepted: dict[int, float] = {}
        self._gates: dict[tuple[int, int, Window | Literal["auto"]], GateDecision] = {}
        self._windows: dict[Window, Matrix] = {}

    def of_window(self, window: Window) -> "Matrix":
        """The matrix of the versions that are trained on the last `window` days of the same rows."""
        usual = self.spec.retrain.window_days
        if window == usual or (window is None and usual == "auto"):
            return self
        if window not in self._windows:
            self._windows[window] = Matrix(self.history.with_window(window), self.build)
        return self._windows[window]

    def under(self, retrain: Retrain) -> "Matrix":
        """The same versions under another policy. What either of them fits, both have."""
        spec = self.spec.model_copy(update={"retrain": retrain})
        other = Matrix(replace(self.history, spec=spec), self.build)
        other.versions, other._accepted, other._windows = self.versions, self._accepted, self._windows
        return other

    def prepare(self, day: int, end: int) -> Answers:
        """The version of `day` with its answers and calibrations of all days before `end`, and of no later one.

        Later ones cost another fit. Errors: `DataError` when too little is known to train on.
        """
        self.add(self._fit(day, end))
        if end > day:
            self.find_calibration(day, end - 1)
        return self.versions[day]

    def add(self, answers: Answers) -> None:
        """Take a version that another process has prepared."""
        self.versions[answers.day] = answers

    def find_answers(self, day: int, end: int) -> Answers:
        """The version of `day` with its answers until before the day `end`, fitted unless it is there.

        Errors: `DataError` when too few rows or days are left to train on.
        """
        answers = self.versions.get(day)
        if answers is None or answers.end < end:
            answers = self.versions[day] = self._fit(day, self.history.day_count)
        return answers

    def answer(self, day: int, rows: slice) -> "Array":
        """The raw predictions of the version of `day` for rows that it was not trained on."""
        answers = self.find_answers(day, self._find_end(rows))
        return answers.predictions[rows.start - answers.trained_until : rows.stop - answers.trained_until]

    def find_calibration(self, day: int, today: int) -> Calibration | None:
        """The calibration with which the version of `day` would serve on the day `today`."""
        answers = self.find_answers(day, today)
        while day + len(answers.corrections) <= today:
            self._look(answers, day + len(answers.corrections))
        return answers.corrections[today - day]

    def measure(self, day: int, first: int, end: int, *, is_corrected: bool = True) -> "Array":
        """The loss of each row of the days from `first` to before `end`, had the version of `day` served them.

        It is corrected each day as it would have been in service, unless `is_corrected` is false.
        """
        import numpy as np

        parts = [np.empty(0)]
        for today in range(first, end):
            rows = self.history.rows_of(today, today + 1)
            if rows.stop > rows.start:
                raw = self.answer(day, rows)
                calibration = self.find_calibration(day, today) if is_corrected else None
                answers = calibration.apply(raw) if calibration else raw
                parts.append(measure_losses(self.spec, self.history.numbers[rows], answers))
        return np.concatenate(parts)

    def find_accepted_error(self, day: int) -> float:
        """The error that the version of `day` was accepted with, from siblings on days that they did not see."""
        if day not in self._accepted:
            unseen = predict_unseen(self.spec, self.build, *self._parts(find_fitted_rows(self.history, day)))
            self._accepted[day] = measure(self.spec, *unseen)[self.spec.error_metric]
        return self._accepted[day]

    def judge(self, champion: int, challenger: int, of: "Matrix | None" = None) -> GateDecision:
        """What the gate says on the day of the challenger's training. Both are named by the days of their training.

        The champion is a version of the matrix `of`, which is this one unless it was trained on another window.
        """
        of = of or self
        key = (champion, challenger, of.spec.retrain.window_days)
        if key not in self._gates:
            self._gates[key] = judge(self.spec, self._pair_losses(of, champion, challenger))
        return self._gates[key]

    def _pair_losses(self, of: "Matrix", champion: int, challenger: int) -> PairedLosses:
        """The losses of both, corrected alike, as `training.gate.comparison` has them."""
        known = self.history.known_at(challenger)
        unseen = max(m.find_answers(day, day).trained_until for m, day in ((of, champion), (self, challenger)))
        rows = slice(unseen, known)
        days, labels = self.history.days[rows], self.history.numbers[rows]
        old, new = (
            measure_losses(self.spec, labels, answer_other_days(self.spec, LabelledDays(days, labels, raw)))
            for raw in (of.answer(champion, rows), self.answer(challenger, rows))
        )
        slices = {name: values[rows] for name, values in self.history.slices.items()}
        return PairedLosses(day=days, champion=old, challenger=new, slices=slices)

    def _fit(self, day: int, end: int) -> Answers:
        rows = find_fitted_rows(self.history, day)
        estimator = fit_estimator(self.spec, self.build, *self._parts(rows))
        answered = slice(rows.stop, self.history.rows_of(0, end).stop)
        return Answers(day, end, rows.stop, predict(self.spec, estimator, self.history.features[answered]))

    def _look(self, answers: Answers, today: int) -> None:
        kept = answers.corrections[-1] if answers.corrections else None
        if is_due(self.spec.recalibrate, today, answers.looked):
            first = self.history.rows_of(0, today - find_memory_days(self.spec)).stop  # what service reads
            rows = slice(max(first, answers.trained_until), self.history.known_at(today))
            raw = answers.predictions[rows.start - answers.trained_until : rows.stop - answers.trained_until]
            labelled = LabelledDays(self.history.days[rows], self.history.numbers[rows], raw)
            choice = choose_calibration(self.spec, labelled, today, answers.fit)
            kept = choice.calibration
            answers.looked = today if choice.has_tried else None
        answers.corrections.append(kept)

    def _parts(self, rows: slice) -> tuple[Any, Any, Any]:
        return self.history.features[rows], self.history.labels[rows], self.history.created_at[rows]

    def _find_end(self, rows: slice) -> int:
        """The day before which these rows end. None are after it."""
        return int(self.history.days[rows.stop - 1]) + 1 if rows.stop > rows.start else 0


def find_fitted_rows(history: History, day: int) -> slice:
    """The rows to train on at `day`: all that are known then, without the newest `holdout_days`.

    Errors: `DataError` when too few rows or days are left.
    """
    import numpy as np

    retrain, known = history.spec.retrain, history.training_rows(day)
    kept = np.unique(history.days[known])[-retrain.holdout_days :]
    rows = slice(known.start, int(np.searchsorted(history.days, kept[0])) if len(kept) else known.start)
    days = len(np.unique(history.days[rows]))
    if rows.stop - rows.start < retrain.minimum_rows or days < retrain.folds:
        raise DataError(
            f"{history.spec.name}: {rows.stop - rows.start} labelled rows of {days} days are left to train on at"
            f" {history.time_of(day):%Y-%m-%d}, beside the newest {len(kept)} days for the gate."
            f" Needed are {retrain.minimum_rows} rows (retrain.minimum_rows) of {retrain.folds} days (retrain.folds)."
            " Begin later with --from"
        )
    return rows
