"""Fitting of calibrations: small corrections of a version's predictions, from labels that it was not trained on.

A regression is multiplied by a shrunk ratio of sums, or shifted by a shrunk mean error. Class probabilities have their
log odds shifted, multiplied by a slope, or both.
Sources: Platt, *Probabilistic outputs for support vector machines*, 1999. Saerens et al., *Adjusting the outputs of a
classifier to new a priori probabilities*, 2002. Guo et al., *On calibration of modern neural networks*, 2017.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cyclone.calibration.correction import Calibration
from cyclone.calibration.log_odds import fit_shift, fit_shift_and_slope, fit_temperature, to_log_odds
from cyclone.error_ratio import ErrorRatio, compare_days
from cyclone.losses import measure_losses
from cyclone.sections import CalibrationMethod, Recalibrate
from cyclone.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


CONFIDENCE = 0.95
"""How sure it has to be that calibrations help.

Where days differ by chance alone, one is then served on 1 to 4 % of them. Any lower mean error served one on 27 to
47 %, and made errors up to 2.5 % larger. After a jump the surer rule waits for more days, so that the error of the 40
days around it is 7 % larger than without a bound. `make bench-gate` measures both.
"""
MOST_LATE_DAYS = 14
"""The most days by which labels may be later than expected. A calibration of still older days would follow the past."""


@dataclass(frozen=True)
class LabelledDays:
    """Labelled rows that a version was not trained on, as arrays with the oldest row first.

    `day` counts whole days from any start. `label` holds numbers, or the place of the class, which is 0 or 1 for
    `binary`. `prediction` is the version's own raw prediction, even for rows that another version answered. It holds
    numbers, P(true), or one column a class.
    """

    day: "Array"
    label: "Array"
    prediction: "Array"

    def __len__(self) -> int:
        return len(self.day)

    def between(self, first: int, end: int) -> "LabelledDays":
        """The rows of the days from `first` on and before `end`."""
        import numpy as np

        start, stop = np.searchsorted(self.day, [first, end])
        return LabelledDays(self.day[start:stop], self.label[start:stop], self.prediction[start:stop])


Fit = Callable[[CalibrationMethod, Recalibrate, LabelledDays], Calibration | None]


@dataclass(frozen=True)
class CalibrationChoice:
    """The calibration to serve with, or None where raw predictions are as good.

    `reason` says why. Both errors are mean losses over the `rows` that a calibration was tried on.
    """

    calibration: Calibration | None
    reason: str
    rows: int
    error_without: float | None = None
    error_with: float | None = None

    @property
    def has_tried(self) -> bool:
        """Whether there were rows to try a calibration on."""
        return self.rows > 0 and self.error_without is not None


def choose_method(spec: ModelSpec) -> CalibrationMethod:
    """The method of `model.yaml`, or the usual one of the task if that is `auto`.

    The usual one is `shift_and_slope` for classes. For a regression it is `ratio` if labels cannot be negative, else
    `bias`.
    """
    if spec.recalibrate.method != "auto":
        return spec.recalibrate.method
    if spec.task != "regression":
        return "shift_and_slope"
    return "ratio" if spec.label.range is not None and spec.label.range[0] >= 0 else "bias"


def is_due(policy: Recalibrate, day: int, looked: int | None) -> bool:
    """Whether to look for a calibration on a day. `looked` is the last day on which one was tried, or None."""
    return looked is None or day - looked >= policy.every_days


def choose_calibration(spec: ModelSpec, rows: LabelledDays, today: int, fit: Fit | None = None) -> CalibrationChoice:
    """Fit a calibration on the newest `memory_days` days, if calibrations are shown to lower the error of those days.

    `today` is the day from which the calibration would serve. It is tried on each of these days, with a fit on labels
    that were known when that day began. They are as old as the labels that are known today: `expected_delay_hours`, or
    more where labels are late. A mean error that is lower by chance is not enough, because days differ.
    `fit` stands in for `fit_calibration`. Consecutive days try nearly the same fits, which a replay remembers.
    """
    fit = fit or fit_calibration
    policy = spec.recalibrate
    if not policy.enabled:
        return CalibrationChoice(None, "recalibrate.enabled is false", 0)
    method = choose_method(spec)
    delay = spec.label.wait_days + find_late_days(rows, today - spec.label.wait_days)
    end = today - delay
    known = rows.between(end - policy.memory_days, end)
    days = sorted(set(known.day.tolist()))
    if len(days) < policy.minimum_days:
        reason = f"{len(days)} labelled days, recalibrate.minimum_days is {policy.minimum_days}"
        return CalibrationChoice(None, reason, len(known))
    found = _try_on_past_days(spec, method, rows, days, delay, fit)
    if found is None:
        return CalibrationChoice(None, "no later labelled rows to try one on", 0)
    without, with_ = found.champion_error, found.challenger_error
    if found.upper >= 1:
        words = f"error {with_:.4g} with one, {without:.4g} without, over {found.rows} rows"
        return CalibrationChoice(None, f"a calibration is not shown to help: {words}", found.rows, without, with_)
    calibration = fit(method, policy, known)
    if calibration is None:
        return CalibrationChoice(None, "the sums allow no ratio above 0", found.rows, without, with_)
    shown = ", ".join(f"{value:.4g}" for value in calibration.values)
    reason = (
        f"{method} {shown} from {len(known)} rows of {len(days)} days, error {with_:.4g} with, {without:.4g} without"
    )
    return CalibrationChoice(calibration, reason, found.rows, without, with_)


def answer_other_days(spec: ModelSpec, rows: LabelledDays) -> "Array":
    """Correct each day with a calibration fitted on all other days. Return raw predictions if that lowers no error.

    It shows what a new version would answer once its calibration is fitted on all of these days.
    """
    import numpy as np

    method, days = choose_method(spec), np.unique(rows.day)
    if not spec.recalibrate.enabled or len(days) <= spec.recalibrate.minimum_days:
        return rows.prediction
    answers = rows.prediction.copy()
    for day in days.tolist():
        is_day = rows.day == day
        others = LabelledDays(rows.day[~is_day], rows.label[~is_day], rows.prediction[~is_day])
        calibration = fit_calibration(method, spec.recalibrate, others)
        if calibration:
            answers[is_day] = calibration.apply(rows.prediction[is_day])
    with_, without = (measure_losses(spec, rows.label, given).sum() for given in (answers, rows.prediction))
    return answers if with_ < without else rows.prediction


def find_memory_days(spec: ModelSpec) -> int:
    """How many days of rows the choice of a day's calibration reads.

    It fits on `memory_days`, and the trial on the oldest of these days fits on as many days before. Each time the
    labels' delay comes on top, and so many days as they may be late.
    """
    return 2 * (spec.recalibrate.memory_days + spec.label.wait_days + MOST_LATE_DAYS)


def find_late_days(rows: LabelledDays, end: int) -> int:
    """How many of the newest days before `end` have no labels yet, or fewer than half of a usual day's.

    Labels that come early are often of one kind, so a day counts when most of its labels are there.

    >>> import numpy as np
    >>> rows = LabelledDays(np.array([1, 1, 2, 2, 3]), np.zeros(5), np.zeros(5))
    >>> find_late_days(rows, 4), find_late_days(rows, 6)
    (0, 2)
    """
    import numpy as np

    days, counts = np.unique(rows.day[rows.day < end], return_counts=True)
    if not len(days):
        return 0
    whole = days[2 * counts >= np.median(counts)]
    return min(end - 1 - int(whole[-1]), MOST_LATE_DAYS)


def fit_calibration(method: CalibrationMethod, policy: Recalibrate, rows: LabelledDays) -> Calibration | None:
    """Fit a calibration, shrunk towards no correction. None without rows, and for sums that allow no ratio.

    It is shrunk as if `shrinkage_days` more average days had been predicted without any error.

    >>> import numpy as np
    >>> rows = LabelledDays(np.array([0, 1]), np.array([30.0, 30.0]), np.array([20.0, 20.0]))
    >>> fit_calibration("ratio", Recalibrate(shrinkage_days=2), rows)
    Calibration(method='ratio', values=(1.25,))
    """
    import numpy as np

    if not len(rows):
        return None
    weight = policy.shrinkage_days / len(np.unique(rows.day))
    if method == "ratio":
        labels, predictions = float(rows.label.sum()), float(rows.prediction.sum())
        pull = weight * predictions
        is_positive = predictions + pull > 0 and labels + pull > 0
        return Calibration(method, ((labels + pull) / (predictions + pull),)) if is_positive else None
    if method == "bias":
        return Calibration(method, (float((rows.label - rows.prediction).mean() / (1 + weight)),))
    fits = {"prior_shift": fit_shift, "temperature": fit_temperature, "shift_and_slope": fit_shift_and_slope}
    return Calibration(method, fits[method](to_log_odds(rows.prediction), rows.label.astype(int), weight * len(rows)))


def _try_on_past_days(
    spec: ModelSpec, method: CalibrationMethod, rows: LabelledDays, days: list[int], delay: int, fit: Fit
) -> ErrorRatio | None:
    """The error with calibrations beside the error without, on the days that had one.

    The calibration of each day is fitted on days that had been over for `delay` days when it began.
    """
    import numpy as np

    tried, losses = [], []
    for day in days:
        own = rows.between(day, day + 1)
        known = rows.between(day - delay - spec.recalibrate.memory_days, day - delay)
        calibration = fit(method, spec.recalibrate, known)
        if calibration is not None:
            tried.append(own.day)
            losses.append(
                [
                    measure_losses(spec, own.label, given)
                    for given in (own.prediction, calibration.apply(own.prediction))
                ]
            )
    if not tried:
        return None
    without, with_ = (np.concatenate(parts) for parts in zip(*losses, strict=True))
    return compare_days(np.concatenate(tried), without, with_, CONFIDENCE)
