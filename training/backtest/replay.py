"""The replay of a model's own policy, day by day. The functions that decide, calibrate and gate are those of service.

At 00:00 UTC of each day the policy sees what was known then. Those are all rows created before, and their labels
`expected_delay_hours` after them, or with the next load where labels come in loads. A version serves from the day on
which it was trained. Service differs in one point: there a canary comes between.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from cyclone.calibration.correction import Calibration
from cyclone.calibration.fitting import LabelledDays, answer_other_days, choose_calibration, is_due
from cyclone.errors import DataError
from cyclone.losses import measure_losses
from cyclone.policy.facts import DailyError, Evidence, PastRetraining, ServingVersion
from cyclone.policy.rules import SMALLEST_SHARE, decide, find_judged_error
from training.backtest.history import History
from training.fit.scores import measure, predict
from training.fit.train import fit_estimator, predict_unseen
from training.gate.rules import PairedLosses, judge

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# The gain of a retraining is measured over so many days after it: one of each weekday.
HINDSIGHT_DAYS = 7
# As many versions as sql/policy/fresh_ratios.sql gives, so that the replay decides as service does.
FRESH_VERSIONS = 10
Builder = Callable[[], Any]


@dataclass(frozen=True)
class Version:
    """One trained version in a replay.

    `day` is the day of its training. `trained_until` is the number of the first row that it has not seen.
    """

    number: int
    day: int
    trained_until: int
    accepted_error: float
    predictions: "Array"
    """The raw predictions of all rows of the history. They are NaN on the rows before `trained_until`."""


@dataclass(frozen=True)
class Retraining:
    """One retraining of a replay.

    `gain` is by how much it lowered the mean error of the next days. It is None if the gate refused the version.
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
class PolicyRun:
    """What a policy did in a replay.

    `losses` has one element a row, and NaN before the start. `recalibrations` counts changed calibrations. `holds` are
    the days on which a person was told, with the reason.
    """

    losses: "Array"
    retrainings: list[Retraining] = field(default_factory=list)
    recalibrations: int = 0
    holds: list[tuple[int, str]] = field(default_factory=list)
    highest_ratio: float = 0.0
    """The highest ratio of a typical day's error to the accepted error, on all days when the error trigger looked."""


def run_policy(history: History, build: Builder, start: int) -> PolicyRun:
    """Replay the model's own policy from day `start` on. The first version is trained on what is known at `start`."""
    return _Replay(history, build, start).run()


class _Replay:
    """The state of one replay: which version serves, with which calibration, and what it has answered."""

    def __init__(self, history: History, build: Builder, start: int) -> None:
        import numpy as np

        self.history, self.spec, self.build, self.start = history, history.spec, build, start
        self.run_so_far = PolicyRun(np.full(len(history.days), np.nan))
        self.version_of = np.zeros(len(history.days), dtype=int)
        self.champion = self.train(1, start)
        self.earlier: list[Version] = []
        self.promoted_day = start
        self.calibration: Calibration | None = None
        self.looked: int | None = None
        self.past = [PastRetraining(history.time_of(start), "promoted", self.spec.retrain.cost)]

    def run(self) -> PolicyRun:
        for day in range(self.start, self.history.day_count):
            self.recalibrate(day)
            evidence = self.collect_evidence(day)
            decision = decide(self.spec, evidence)
            self.note_ratio(evidence)
            if decision.should_retrain:
                self.retrain(day, decision.reason)
            elif decision.needs_person:
                self.run_so_far.holds.append((day, decision.reason))
            self.serve(day)
        return self.run_so_far

    def note_ratio(self, evidence: Evidence) -> None:
        champion = evidence.champion
        found = champion and find_judged_error(self.spec, champion, evidence.now)
        if champion and found and champion.accepted_error > 0:
            ratio = found.error / champion.accepted_error
            self.run_so_far.highest_ratio = max(self.run_so_far.highest_ratio, ratio)

    def train(self, number: int, day: int) -> Version:
        """Train a version as `training.fit.train` does, with an error from siblings and without the newest days."""
        history, rows = self.history, find_fitted_rows(self.history, day)
        parts = history.features[rows], history.labels[rows], history.created_at[rows]
        accepted = measure(self.spec, *predict_unseen(self.spec, self.build, *parts))[self.spec.error_metric]
        estimator = fit_estimator(self.spec, self.build, *parts)
        return Version(number, day, rows.stop, accepted, predict_rest(history, estimator, rows.stop))

    def recalibrate(self, day: int) -> None:
        if not is_due(self.spec.recalibrate, day, self.looked):
            return
        choice = choose_calibration(self.spec, self.find_labelled_days(day), day)
        self.run_so_far.recalibrations += choice.calibration != self.calibration
        self.calibration = choice.calibration
        self.looked = day if choice.has_tried else None

    def find_labelled_days(self, day: int) -> LabelledDays:
        rows = slice(self.champion.trained_until, self.history.known_at(day))
        return LabelledDays(self.history.days[rows], self.history.numbers[rows], self.champion.predictions[rows])

    def collect_evidence(self, day: int) -> Evidence:
        """The evidence that `cyclone.policy.evidence` would read from the store.

        Errors belong to the day on which their labels were due.
        """
        window_days = self.spec.retrain.error.window_days + self.spec.label.load_every_days
        days = self.list_labelled_days(self.champion, day - window_days, day)
        champion = ServingVersion(
            self.champion.number,
            self.history.time_of(self.promoted_day),
            self.spec.error_metric,
            self.champion.accepted_error,
            tuple(item for item, is_whole in days if is_whole),
        )
        ratios = [] if self.spec.retrain.minimum_gain is None else self.list_fresh_ratios(day)
        return Evidence(self.history.time_of(day), champion, retrainings=self.past, fresh_ratios=ratios)

    def list_labelled_days(self, version: Version, first: int, end: int) -> Iterator[tuple[DailyError, bool]]:
        """The daily errors of a version from day `first` to before `end`, by the day on which the labels were due.

        Days whose labels wait for a load after `end` are not known yet. Each day comes with whether all its labels were
        of this version's rows.
        """
        for labelled in range(first, self.history.find_load(end)):
            rows = slice(self.history.due_at(labelled), self.history.due_at(labelled + 1))
            own = self.run_so_far.losses[rows][self.version_of[rows] == version.number]
            if len(own):
                error = DailyError(self.history.time_of(labelled), float(own.mean()), len(own))
                yield error, len(own) == rows.stop - rows.start

    def list_fresh_ratios(self, day: int) -> list[float]:
        """How earlier versions did on their first labelled days, as a ratio to their accepted errors.

        sql/policy/fresh_ratios.sql computes the same in service.
        """
        import numpy as np

        found = []
        for version in self.earlier[-FRESH_VERSIONS:]:
            days = islice(self.list_labelled_days(version, version.day, day), self.spec.retrain.error.window_days)
            errors = [item.error for item, _ in days]
            if errors and version.accepted_error > 0:
                ratios = np.maximum(np.array(errors) / version.accepted_error, SMALLEST_SHARE)
                found.append(float(np.exp(np.log(ratios).mean())))
        return found

    def retrain(self, day: int, reason: str) -> None:
        challenger = self.train(self.champion.number + 1, day)
        rows = slice(challenger.trained_until, self.history.known_at(day))
        decision = judge(self.spec, self.pair_losses(challenger, rows))
        outcome = "promoted" if decision.passed else "kept_champion"
        self.past.append(PastRetraining(self.history.time_of(day), outcome, self.spec.retrain.cost))
        gain = self.find_gain(challenger, day) if decision.passed else None
        delay = self.find_delay_days(day)
        self.run_so_far.retrainings.append(Retraining(day, reason, decision.passed, decision.reason, delay, gain))
        if decision.passed:
            self.earlier.append(self.champion)
            self.champion, self.promoted_day, self.calibration, self.looked = challenger, day, None, None

    def pair_losses(self, challenger: Version, rows: slice) -> PairedLosses:
        """The losses of both, corrected alike, as `training.gate.comparison` has them."""
        days, labels = self.history.days[rows], self.history.numbers[rows]
        champion, fresh = (
            measure_losses(self.spec, labels, answer_other_days(self.spec, LabelledDays(days, labels, raw)))
            for raw in (self.champion.predictions[rows], challenger.predictions[rows])
        )
        return PairedLosses(
            day=days,
            champion=champion,
            challenger=fresh,
            slices={name: values[rows] for name, values in self.history.slices.items()},
        )

    def find_gain(self, challenger: Version, day: int) -> float:
        """How much higher the old version's mean error on the next days would have been.

        The next days begin with the first day that has rows.
        """
        first = int(self.history.days[self.history.rows_of(0, day).stop])
        rows = self.history.rows_of(first, first + HINDSIGHT_DAYS)
        old, new = self.measure(self.champion, self.calibration, rows), self.measure(challenger, None, rows)
        return float(old.mean() - new.mean())

    def find_delay_days(self, day: int) -> int:
        """For how many days the daily error has been above the limit, including the delay of the labels."""
        limit = self.spec.retrain.error.limit * self.champion.accepted_error
        days = [item for item, is_whole in self.list_labelled_days(self.champion, self.promoted_day, day) if is_whole]
        count = sum(1 for _ in takewhile(lambda item: item.error > limit, reversed(days)))
        return count + day - self.history.find_load(day) + round(self.spec.label.expected_delay_hours / 24)

    def serve(self, day: int) -> None:
        rows = self.history.rows_of(day, day + 1)
        self.version_of[rows] = self.champion.number
        self.run_so_far.losses[rows] = self.measure(self.champion, self.calibration, rows)

    def measure(self, version: Version, calibration: Calibration | None, rows: slice) -> "Array":
        raw = version.predictions[rows]
        answers = calibration.apply(raw) if calibration and len(raw) else raw
        return measure_losses(self.spec, self.history.numbers[rows], answers)


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


def predict_rest(history: History, estimator: Any, start: int, end: int | None = None) -> "Array":
    """Predictions for the whole history, which are NaN except on the rows from `start` to before `end`."""
    import numpy as np

    part = predict(history.spec, estimator, history.features[start:end])
    whole = np.full((len(history.days), *part.shape[1:]), np.nan)
    whole[start : start + len(part)] = part
    return whole
