"""The backtest: history replayed day by day through the very functions that decide, calibrate and gate in service.

At 00:00 UTC of each day the policy sees what was known then: rows before it, labels `expected_delay_hours` late.
A version serves from the day on which it was trained; in service a canary comes between.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from cyclone.calibration import Calibration, LabelledDays, choose_calibration, measure_losses
from cyclone.errors import DataError
from cyclone.policy import Champion, DailyError, Evidence, PastRetraining, decide, find_typical_error
from cyclone.spec import ModelSpec
from training.gate import PairedLosses, judge
from training.scores import encode_labels, measure, predict
from training.train import fit_estimator, predict_unseen

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

DAY = timedelta(days=1)
WORKERS = 2
HINDSIGHT_DAYS = 7
Builder = Callable[[], Any]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class History:
    """Labelled rows, the oldest first, with all that a replay asks of them; `days` counts from the first row's day."""

    spec: ModelSpec
    created_at: "pd.Series[Any]"
    features: Any
    labels: "pd.Series[Any]"
    numbers: "Array"
    days: "Array"
    slices: "dict[str, Array]"

    @property
    def first_day(self) -> datetime:
        first: datetime = self.created_at.iloc[0].floor("D").to_pydatetime()
        return first

    @property
    def day_count(self) -> int:
        return int(self.days[-1]) + 1

    def time_of(self, day: int) -> datetime:
        return self.first_day + day * DAY

    def rows_of(self, first: int, end: int) -> slice:
        """The rows created on the days from `first` to before `end`."""
        import numpy as np

        start, stop = np.searchsorted(self.days, [first, end])
        return slice(int(start), int(stop))

    def known_at(self, day: int) -> int:
        """How many of the oldest rows have a label before 00:00 of `day`."""
        newest = self.time_of(day) - timedelta(hours=self.spec.label.expected_delay_hours)
        return int(self.created_at.searchsorted(newest))

    def training_rows(self, day: int) -> slice:
        """What is known at `day` of the last `retrain.window_days`."""
        window = self.spec.retrain.window_days
        start = 0 if window is None else self.rows_of(0, max(0, day - window)).stop
        return slice(start, self.known_at(day))

    def shuffle_days(self, seed: int) -> "History":
        """The same days in random order: a world that does not change."""
        import numpy as np
        import pandas as pd

        present = np.unique(self.days)
        order = np.random.default_rng(seed).permutation(len(present))
        rows = np.concatenate([np.flatnonzero(self.days == present[place]) for place in order])
        days = np.repeat(np.arange(len(order)), [int((self.days == present[place]).sum()) for place in order])
        moved = pd.to_timedelta(days - self.days[rows], unit="D")
        created_at = pd.Series((self.created_at.iloc[rows] + moved).to_numpy(), dtype=self.created_at.dtype)
        features = self.features[rows] if hasattr(self.features, "dtype") else self.features.iloc[rows]
        labels = self.labels.iloc[rows].reset_index(drop=True)
        slices = {name: values[rows] for name, values in self.slices.items()}
        return History(self.spec, created_at, features, labels, self.numbers[rows], days, slices)


def build_history(spec: ModelSpec, frame: "pd.DataFrame") -> History:
    """From a frame with `created_at`, the features and `label`. Errors: `DataError` for a frame without rows."""
    from cyclone.frames import inputs_from_frame

    if frame.empty:
        raise DataError(f"{spec.name}: there is no labelled row to replay")
    frame = frame.sort_values("created_at", kind="stable").reset_index(drop=True)
    day = frame["created_at"].dt.floor("D")
    return History(
        spec=spec,
        created_at=frame["created_at"].astype("datetime64[us, UTC]"),
        features=inputs_from_frame(spec, frame),
        labels=frame["label"],
        numbers=encode_labels(spec, frame["label"]),
        days=((day - day.iloc[0]).dt.days).to_numpy(),
        slices={name: frame[name].astype(str).to_numpy() for name in spec.retrain.slices},
    )


@dataclass(frozen=True)
class Version:
    """One trained version in a replay; `trained_until` is the number of the first row that it has not seen."""

    number: int
    day: int
    trained_until: int
    accepted_error: float
    predictions: "Array"
    """Of the whole history: NaN on the rows before `trained_until`."""


@dataclass(frozen=True)
class Retraining:
    """One retraining of a replay. `gain`: by how much it lowered the error of the next days; None where refused."""

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
    """What a policy did: each row's loss (NaN before the start), retrainings, calibrations, when a person was told."""

    losses: "Array"
    retrainings: list[Retraining] = field(default_factory=list)
    recalibrations: int = 0
    holds: list[tuple[int, str]] = field(default_factory=list)
    highest_ratio: float = 0.0
    """Of a typical day's error to the accepted one, on any day on which the error trigger looked."""


def run_policy(history: History, build: Builder, start: int) -> PolicyRun:
    """Replay the model's own policy from day `start` on; the first version is trained on what is known then."""
    return _Replay(history, build, start).run()


class _Replay:
    """The state of one replay: what serves, with which calibration, and what it answered."""

    def __init__(self, history: History, build: Builder, start: int) -> None:
        import numpy as np

        self.history, self.spec, self.build, self.start = history, history.spec, build, start
        self.run_so_far = PolicyRun(np.full(len(history.days), np.nan))
        self.version_of = np.zeros(len(history.days), dtype=int)
        self.champion = self.train(1, start)
        self.promoted_day = start
        self.calibration: Calibration | None = None
        self.past = [PastRetraining(history.time_of(start), "promoted", self.spec.retrain.cost)]

    def run(self) -> PolicyRun:
        for day in range(self.start, self.history.day_count):
            self.recalibrate(day)
            evidence = self.collect_evidence(day)
            decision = decide(self.spec, evidence)
            self.note_ratio(evidence)
            if decision.should_retrain:
                self.retrain(day, decision.reason, evidence)
            elif decision.needs_person:
                self.run_so_far.holds.append((day, decision.reason))
            self.serve(day)
        return self.run_so_far

    def note_ratio(self, evidence: Evidence) -> None:
        trigger, champion = self.spec.retrain.error, evidence.champion
        found = champion and find_typical_error(champion, evidence.now, trigger.window_days)
        if champion and found and found[1] >= trigger.minimum_days and champion.accepted_error > 0:
            ratio = found[0] / champion.accepted_error
            self.run_so_far.highest_ratio = max(self.run_so_far.highest_ratio, ratio)

    def train(self, number: int, day: int) -> Version:
        """As `training.train` does: accepted by siblings, fitted on all but the newest days."""
        history, rows = self.history, find_fitted_rows(self.history, day)
        parts = history.features[rows], history.labels[rows], history.created_at[rows]
        accepted = measure(self.spec, *predict_unseen(self.spec, self.build, *parts))[self.spec.error_metric]
        estimator = fit_estimator(self.spec, self.build, *parts)
        return Version(number, day, rows.stop, accepted, predict_rest(history, estimator, rows.stop))

    def recalibrate(self, day: int) -> None:
        choice = choose_calibration(self.spec, self.find_labelled_days(day), day).calibration
        self.run_so_far.recalibrations += choice != self.calibration
        self.calibration = choice

    def find_labelled_days(self, day: int) -> LabelledDays:
        rows = slice(self.champion.trained_until, self.history.known_at(day))
        return LabelledDays(self.history.days[rows], self.history.numbers[rows], self.champion.predictions[rows])

    def collect_evidence(self, day: int) -> Evidence:
        """What `cyclone.evidence` reads from the store: errors by the day on which their labels came."""
        history, days = self.history, []
        for labelled in range(day - self.spec.retrain.error.window_days, day):
            rows = slice(history.known_at(labelled), history.known_at(labelled + 1))
            own = self.run_so_far.losses[rows][self.version_of[rows] == self.champion.number]
            if len(own) and len(own) == rows.stop - rows.start:
                days.append(DailyError(history.time_of(labelled), float(own.mean()), len(own)))
        champion = Champion(
            self.champion.number,
            history.time_of(self.promoted_day),
            self.spec.error_metric,
            self.champion.accepted_error,
            tuple(days),
        )
        return Evidence(history.time_of(day), champion, retrainings=self.past)

    def retrain(self, day: int, reason: str, evidence: Evidence) -> None:
        challenger = self.train(self.champion.number + 1, day)
        rows = slice(challenger.trained_until, self.history.known_at(day))
        decision = judge(self.spec, self.pair_losses(challenger, rows))
        outcome = "promoted" if decision.passed else "kept_champion"
        self.past.append(PastRetraining(self.history.time_of(day), outcome, self.spec.retrain.cost))
        gain = self.find_gain(challenger, day) if decision.passed else None
        delay = self.find_delay_days(evidence)
        self.run_so_far.retrainings.append(Retraining(day, reason, decision.passed, decision.reason, delay, gain))
        if decision.passed:
            self.champion, self.promoted_day, self.calibration = challenger, day, None

    def pair_losses(self, challenger: Version, rows: slice) -> PairedLosses:
        return PairedLosses(
            day=self.history.days[rows],
            champion=self.measure(self.champion, self.calibration, rows),
            challenger=self.measure(challenger, None, rows),
            slices={name: values[rows] for name, values in self.history.slices.items()},
        )

    def find_gain(self, challenger: Version, day: int) -> float:
        """In hindsight: how much higher the old version's error on the next days would have been."""
        rows = self.history.rows_of(day, day + HINDSIGHT_DAYS)
        old, new = self.measure(self.champion, self.calibration, rows), self.measure(challenger, None, rows)
        return float(old.mean() - new.mean())

    def find_delay_days(self, evidence: Evidence) -> int:
        """Since how many days the daily error has been above the limit, the label's own delay included."""
        champion = evidence.champion
        assert champion is not None, "a replay always has a version that serves"
        limit = self.spec.retrain.error.limit * champion.accepted_error
        count = 0
        for item in reversed(champion.days):
            if item.error <= limit:
                break
            count += 1
        return count + round(self.spec.label.expected_delay_hours / 24)

    def serve(self, day: int) -> None:
        rows = self.history.rows_of(day, day + 1)
        self.version_of[rows] = self.champion.number
        self.run_so_far.losses[rows] = self.measure(self.champion, self.calibration, rows)

    def measure(self, version: Version, calibration: Calibration | None, rows: slice) -> "Array":
        raw = version.predictions[rows]
        answers = calibration.apply(raw) if calibration and len(raw) else raw
        return measure_losses(self.spec, self.history.numbers[rows], answers)


def find_fitted_rows(history: History, day: int) -> slice:
    """All that is known at `day` but the newest `holdout_days`. Errors: `DataError` when too few are left."""
    import numpy as np

    retrain, known = history.spec.retrain, history.training_rows(day)
    kept = np.unique(history.days[known])[-retrain.holdout_days :]
    rows = slice(known.start, int(np.searchsorted(history.days, kept[0])) if len(kept) else known.start)
    days = len(np.unique(history.days[rows]))
    if rows.stop - rows.start < retrain.minimum_rows or days < retrain.folds:
        raise DataError(
            f"{history.spec.name}: {rows.stop - rows.start} labelled rows of {days} days are left to train on at"
            f" {history.time_of(day):%Y-%m-%d}, beside the newest {len(kept)} days for the gate;"
            f" retrain.minimum_rows is {retrain.minimum_rows} and retrain.folds {retrain.folds};"
            " begin later with --from"
        )
    return rows


def predict_rest(history: History, estimator: Any, start: int, end: int | None = None) -> "Array":
    """Predictions of the rows from `start` on to before `end`; NaN elsewhere."""
    import numpy as np

    part = predict(history.spec, estimator, history.features[start:end])
    whole = np.full((len(history.days), *part.shape[1:]), np.nan)
    whole[start : start + len(part)] = part
    return whole


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


@dataclass(frozen=True)
class Backtest:
    """A policy beside its peers on the same rows, and how often it fires in worlds that do not change."""

    history: History
    start: int
    policy: PolicyRun
    schedules: "dict[str, tuple[Schedule, Array]]"
    stationary: list[int]
    """Retrainings in each shuffled world, of as many days as the replay."""

    @property
    def days(self) -> int:
        return self.history.day_count - self.start

    @property
    def stationary_triggers_per_year(self) -> float | None:
        if not self.stationary:
            return None
        return sum(self.stationary) / len(self.stationary) * 365 / self.days


def run_backtest(history: History, build: Builder, start: int, worlds: int, tell: Progress) -> Backtest:
    """Replay policy, peers and `worlds` shuffled worlds in two processes; `tell(what, share done)` as they end.

    `build` is sent to those processes: a function of a module, or an object that can be pickled.
    """
    find_fitted_rows(history, start)  # what cannot begin is told before anything is computed
    schedules = build_schedules(history, start)
    until = _find_ends(schedules, history.day_count)
    total = len(until) + 10 * (1 + worlds)
    done = 0
    with _open_pool(history, build) as pool:
        replays: list[Future[PolicyRun]] = [pool.submit(_replay_world, seed, start) for seed in (None, *range(worlds))]
        fits: list[Future[tuple[int, Array]]] = [pool.submit(_fit_day, day, end) for day, end in sorted(until.items())]
        waiting: list[Future[Any]] = [*replays, *fits]
        for item in as_completed(waiting):
            done += 10 if item in replays else 1
            tell("replaying", done / total)
        runs = [replay.result() for replay in replays]
        predicted = dict(fit.result() for fit in fits)
    scored = {item.name: (item, score_schedule(history, item, predicted)) for item in schedules}
    return Backtest(history, start, runs[0], scored, [len(item.retrainings) for item in runs[1:]])


def _find_ends(schedules: list[Schedule], day_count: int) -> dict[int, int]:
    """For each day on which somebody trains: how far the version has to predict."""
    ends: dict[int, int] = {}
    for schedule in schedules:
        for day, end in zip(schedule.days, [*schedule.days[1:], day_count], strict=True):
            ends[day] = max(end, ends.get(day, 0))
    return ends


_of_this_process: dict[str, Any] = {}


def _open_pool(history: History, build: Builder) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        WORKERS, mp_context=get_context("spawn"), initializer=_prepare_process, initargs=(history, build)
    )


def _prepare_process(history: History, build: Builder) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # two processes, a thread each: threads of both would wait for each other
    _of_this_process.update(history=history, build=build)


def _replay_world(seed: int | None, start: int) -> PolicyRun:
    history = _of_this_process["history"]
    world = history if seed is None else history.shuffle_days(seed)
    return run_policy(world, _of_this_process["build"], start)


def _fit_day(day: int, until: int) -> "tuple[int, Array]":
    return fit_schedule_day(_of_this_process["history"], _of_this_process["build"], day, until)


def cut_history(frame: "pd.DataFrame", end: datetime | None) -> "pd.DataFrame":
    """The rows before `end`."""
    return frame if end is None else frame[frame["created_at"] < end]


def find_start(history: History, moment: datetime) -> int:
    """The day of `moment`. Errors: `DataError` when the history does not reach around it."""
    day = (moment.astimezone(UTC) - history.first_day).days
    if not 0 < day < history.day_count:
        last = history.time_of(history.day_count - 1)
        raise DataError(
            f"{history.spec.name}: {moment:%Y-%m-%d} is no start for a replay: rows are there from"
            f" {history.first_day:%Y-%m-%d} to {last:%Y-%m-%d}, and some must be known before it"
        )
    return day


def iterate_summaries(backtest: Backtest) -> Iterator[tuple[str, float, int]]:
    """Name, mean error and retrainings of the policy and its peers."""
    import numpy as np

    yield "Cyclone", float(np.nanmean(backtest.policy.losses)), len(backtest.policy.retrainings)
    for name, (schedule, losses) in backtest.schedules.items():
        yield name, float(np.nanmean(losses)), schedule.retrainings


def change_policy(history: History, spec: ModelSpec) -> History:
    """The same rows under another policy."""
    return replace(history, spec=spec)
