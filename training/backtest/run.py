"""The backtest of a policy: a replay beside its peers on the same rows, and replays of worlds that do not change."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from cyclone.image_contract import THREADS_VARIABLE
from training.backtest.history import History
from training.backtest.replay import Builder, PolicyRun, find_fitted_rows, run_policy
from training.backtest.schedules import Schedule, build_schedules, fit_schedule_day, score_schedule
from training.data.dataset import check_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

# Each process holds a copy of the history, so more of them need more memory.
WORKERS = 2
# How many days of a schedule take about as long as one replay. Only the progress bar depends on it.
REPLAY_SHARES = 10
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Backtest:
    """A policy and its peers on the same rows, and how often the policy retrains in worlds that do not change.

    `schedules` holds each peer and the loss of each row under it.
    """

    history: History
    start: int
    policy: PolicyRun
    schedules: "dict[str, tuple[Schedule, Array]]"
    stationary: list[int]
    """The number of retrainings in each shuffled world. A world has as many days as the replay."""

    @property
    def days(self) -> int:
        return self.history.day_count - self.start

    @property
    def stationary_triggers_per_year(self) -> float | None:
        if not self.stationary:
            return None
        return sum(self.stationary) / len(self.stationary) * 365 / self.days


def run_backtest(history: History, build: Builder, start: int, worlds: int, tell: Progress) -> Backtest:
    """Replay the policy, its peers, and `worlds` shuffled worlds, in two processes.

    `tell` is called with what is done and the share that is done, each time a part ends.
    `build` is sent to the processes, so it is a function of a module or another object that can be pickled.
    Errors: `DataError` when too little is known at `start` to train on.
    """
    find_fitted_rows(history, start)  # raises before anything is computed if the start is too early
    schedules = build_schedules(history, start)
    until = _find_ends(schedules, history.day_count)
    total = len(until) + REPLAY_SHARES * (1 + worlds)
    done = 0
    with _open_pool(history, build) as pool:
        replays: list[Future[PolicyRun]] = [pool.submit(_replay_world, seed, start) for seed in (None, *range(worlds))]
        fits: list[Future[tuple[int, Array]]] = [pool.submit(_fit_day, day, end) for day, end in sorted(until.items())]
        waiting: list[Future[Any]] = [*replays, *fits]
        for item in as_completed(waiting):
            done += REPLAY_SHARES if item in replays else 1
            tell("replaying", done / total)
        runs = [replay.result() for replay in replays]
        predicted = dict(fit.result() for fit in fits)
    scored = {item.name: (item, score_schedule(history, item, predicted)) for item in schedules}
    return Backtest(history, start, runs[0], scored, [len(item.retrainings) for item in runs[1:]])


def check_start(history: History, frame: "pd.DataFrame", start: int) -> None:
    """Refuse a start if the rows known then would be refused as a dataset.

    `frame` is what the history was built from. Errors: `DataError` with the reason.
    """
    find_fitted_rows(history, start)
    ordered = frame.sort_values("created_at", kind="stable")
    check_rows(history.spec, ordered.iloc[history.training_rows(start)], history.time_of(start))


def _find_ends(schedules: list[Schedule], day_count: int) -> dict[int, int]:
    """For each day on which a peer trains, the day before which its predictions end."""
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
    os.environ[THREADS_VARIABLE] = "1"  # with more threads the two processes would wait for each other's cores
    _of_this_process.update(history=history, build=build)


def _replay_world(seed: int | None, start: int) -> PolicyRun:
    history = _of_this_process["history"]
    world = history if seed is None else history.shuffle_days(seed)
    return run_policy(world, _of_this_process["build"], start)


def _fit_day(day: int, until: int) -> "tuple[int, Array]":
    return fit_schedule_day(_of_this_process["history"], _of_this_process["build"], day, until)


def iterate_summaries(backtest: Backtest) -> Iterator[tuple[str, float, int]]:
    """The name, the mean error and the number of retrainings of the policy and of each peer."""
    import numpy as np

    yield "Cyclone", float(np.nanmean(backtest.policy.losses)), len(backtest.policy.retrainings)
    for name, (schedule, losses) in backtest.schedules.items():
        yield name, float(np.nanmean(losses)), schedule.retrainings
