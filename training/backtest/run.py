"""The backtest of a policy: a replay beside its peers on the same versions, and in worlds that do not change."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from cyclone.image_contract import THREADS_VARIABLE
from cyclone.policy.refits import REFIT_DAYS, list_windows
from cyclone.sections import Window
from training.backtest.advice import Advice, advise
from training.backtest.hindsight import Hindsight, find_best_schedules, list_grid
from training.backtest.history import History
from training.backtest.matrix import Answers, Builder, Matrix, find_fitted_rows
from training.backtest.refits import list_refit_windows, list_refits
from training.backtest.replay import PolicyRun, replay_policy, run_policy
from training.backtest.schedules import DAILY, Schedule, build_schedules, follow_schedule, spread_evenly
from training.backtest.walk import HINDSIGHT_DAYS, Run, can_train
from training.data.dataset import check_rows

if TYPE_CHECKING:
    import pandas as pd

# Each process holds a copy of the history, so more of them need more memory.
WORKERS = 2
# How many versions take about as long as one replay of an unchanging world. Only the progress bar depends on it.
REPLAY_SHARES = 10
DAILY_DAYS = HINDSIGHT_DAYS + 2
"""For how many days the versions of the daily peer are prepared: one of service, and those that the gain of the next
version is measured on. Where the gate refuses the next one, the version is fitted again for all days."""
EQUAL_COUNT = "equal count"
"""The name of the calendar with as many retrainings as the policy."""
CURVE_COUNTS = (1, 2, 3, 4, 6, 8, 10, 13, 18, 25, 35)
"""The numbers of retrainings for which an even calendar is shown in the picture, beside the named calendars."""
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Backtest:
    """A policy and its peers on the same rows and versions, and how often it retrains in worlds that do not change.

    `peers` has what came of each peer by its name, in the order of the table. `curve` has the error of an even calendar
    by its number of retrainings.
    """

    history: History
    start: int
    policy: PolicyRun
    peers: dict[str, Run]
    curve: dict[int, float]
    hindsight: Hindsight
    stationary: list[int]
    """The number of retrainings in each shuffled world. A world has as many days as the replay."""
    advice: Advice | None = None

    @property
    def days(self) -> int:
        return self.history.day_count - self.start

    @property
    def stationary_triggers_per_year(self) -> float | None:
        if not self.stationary:
            return None
        return sum(self.stationary) / len(self.stationary) * 365 / self.days


def run_backtest(
    history: History, build: Builder, start: int, worlds: int, tell: Progress, *, is_advised: bool = False
) -> Backtest:
    """Replay the policy, its peers, and `worlds` shuffled worlds, in two processes.

    With `is_advised` other prices and windows are tried too.
    `tell` is called with what is done and the share that is done, each time a part ends.
    `build` is sent to the processes, so it is a function of a module or another object that can be pickled.
    Errors: `DataError` when too little is known at `start` to train on.
    """
    find_fitted_rows(history, start)  # raises before anything is computed if the start is too early
    schedules = build_schedules(history, start)
    ends = find_ends(history, start, schedules)
    total = len(ends) + REPLAY_SHARES * worlds
    with _open_pool(history, build) as pool:
        fits = {pool.submit(_prepare_version, window, day, end): window for (window, day), end in ends.items()}
        replays = [pool.submit(_replay_world, seed, start) for seed in range(worlds)]
        matrix = Matrix(history, build)
        for done, item in enumerate(as_completed(fits), start=1):
            matrix.of_window(fits[item]).add(item.result())
            tell("fitting", done / total)
        # The worlds are replayed by the processes while this one reads the matrix.
        result = compare(matrix, start, schedules, replay_policy(matrix, start))
        if is_advised:
            result = replace(result, advice=advise(matrix, start))
        for done, _ in enumerate(as_completed(replays), start=1):
            tell("replaying", (len(fits) + REPLAY_SHARES * done) / total)
        stationary = [item.result() for item in replays]
    return replace(result, stationary=stationary)


def compare(matrix: Matrix, start: int, schedules: list[Schedule], policy: PolicyRun) -> Backtest:
    """A policy beside its peers, an even calendar with as many retrainings, and the best schedules in hindsight."""
    history = matrix.history
    even = spread_evenly(EQUAL_COUNT, start, history.day_count, len(policy.retrainings))
    peers = {item.name: follow_schedule(matrix, start, item) for item in (even, *schedules)}
    every, grid = list_grid(history, start)
    curve = {
        len(item.days): follow_schedule(matrix, start, item).error for item in spread_on_grid(history, start, grid)
    }
    asked = [item.day for run in (policy, peers[EQUAL_COUNT]) for item in run.retrainings]
    days = [day for day in (*grid, *asked) if can_train(history, day)]
    return Backtest(history, start, policy, peers, curve, find_best_schedules(matrix, start, days, every), [])


def spread_on_grid(history: History, start: int, grid: list[int]) -> list[Schedule]:
    """Even calendars with more and more retrainings, each on the nearest day of the grid, whose versions are there."""
    import numpy as np

    found = {}
    for count in CURVE_COUNTS:
        days = np.array(spread_evenly("", start, history.day_count, count).days)
        places = np.abs(days[:, None] - np.array(grid)).argmin(axis=1)
        chosen = tuple(sorted({grid[place] for place in places} - {start}))
        found[len(chosen)] = Schedule(EQUAL_COUNT, chosen)
    return [found[count] for count in sorted(found)]


def find_ends(history: History, start: int, schedules: list[Schedule]) -> dict[tuple[Window, int], int]:
    """The versions that are surely needed, by window and day, each with the day before which its answers may end."""
    _, whole = list_grid(history, start)
    daily = [day for item in schedules if item.name == DAILY for day in item.days]
    whole += [day for item in schedules if item.name != DAILY for day in item.days]
    usual, refits = list_windows(history.spec.retrain)[0], list_refits(history, start)
    ends = {(usual, day): day + REFIT_DAYS for day in refits}
    ends |= {(usual, day): day + DAILY_DAYS for day in daily}
    ends |= {(usual, day): history.day_count for day in whole}
    ends |= {(window, day): day + REFIT_DAYS for day in refits for window in list_refit_windows(history, day)[1:]}
    return {
        (window, day): min(end, history.day_count)
        for (window, day), end in sorted(ends.items(), key=lambda item: item[0][1])
        if can_train(history.with_window(window), day)
    }


def check_start(history: History, frame: "pd.DataFrame", start: int) -> None:
    """Refuse a start if the rows known then would be refused as a dataset.

    `frame` is what the history was built from. Errors: `DataError` with the reason.
    """
    find_fitted_rows(history, start)
    ordered = frame.sort_values("created_at", kind="stable")
    check_rows(history.spec, ordered.iloc[history.training_rows(start)], history.time_of(start))


_of_this_process: dict[str, Any] = {}


def _open_pool(history: History, build: Builder) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        WORKERS, mp_context=get_context("spawn"), initializer=_prepare_process, initargs=(history, build)
    )


def _prepare_process(history: History, build: Builder) -> None:
    os.environ[THREADS_VARIABLE] = "1"  # with more threads the two processes would wait for each other's cores
    _of_this_process.update(history=history, build=build)


def _prepare_version(window: Window, day: int, end: int) -> Answers:
    matrix = Matrix(_of_this_process["history"], _of_this_process["build"])
    return matrix.of_window(window).prepare(day, end)


def _replay_world(seed: int, start: int) -> int:
    world = _of_this_process["history"].shuffle_days(seed)
    return len(run_policy(world, _of_this_process["build"], start).retrainings)


def list_runs(backtest: Backtest) -> dict[str, Run]:
    """What came of the policy, under the name Cyclone, and of each peer."""
    return {"Cyclone": backtest.policy, **backtest.peers}
