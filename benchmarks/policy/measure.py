"""What `make bench-policy` measures: one piece of work for each data set and each world, two at a time.

Another rule is measured by giving `replay` another body. Worker processes import this module, which is not run itself.
"""

import os
import sys
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

from benchmarks.policy.data import load_set
from benchmarks.policy.detectors import build_detectors
from benchmarks.policy.figures import (
    SetResult,
    ShuffledWorld,
    WorldResult,
)
from benchmarks.policy.worlds import FIRST_DAYS, WORLDS, build_linear, build_logistic, draw_world
from cyclone.image_contract import THREADS_VARIABLE
from training.backtest.history import History
from training.backtest.matrix import Matrix
from training.backtest.replay import PolicyRun, replay_policy
from training.backtest.run import EQUAL_COUNT, compare
from training.backtest.schedules import DAILY, Schedule, build_schedules, follow_schedule, spread_evenly
from training.backtest.walk import follow

WORLD_COUNTS = (1, 2, 4, 8, 13, 26)
"""The even calendars of a world, beside never and weekly."""
MOST_SHUFFLED_ROWS = 20_000
"""Data sets with more rows have one world of shuffled days instead of `Size.shuffles`, as each costs minutes there."""


@dataclass(frozen=True)
class Size:
    """What is measured. `until` has the end of the data sets that are cut short."""

    names: tuple[str, ...]
    until: dict[str, str]
    shuffles: int
    world_days: int
    seeds: int


def replay(matrix: Matrix, start: int) -> PolicyRun:
    """The policy that is measured: the one that serves."""
    return replay_policy(matrix, start)


def measure_all(size: Size) -> tuple[list[SetResult], list[WorldResult]]:
    """All data sets and worlds, in two processes. Says on standard error what is done."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=_prepare_process) as pool:
        sets = [pool.submit(measure_set, name, size.until.get(name), size.shuffles) for name in size.names]
        worlds = [
            pool.submit(measure_world, place, size.world_days, seed)
            for place in range(len(WORLDS))
            for seed in range(size.seeds)
        ]
        waiting: list[Future[Any]] = [*sets, *worlds]
        for done, item in enumerate(as_completed(waiting), start=1):
            print(f"{done} of {len(waiting)}: {item.result().name}", file=sys.stderr, flush=True)
        return [item.result() for item in sets], [item.result() for item in worlds]


def measure_set(name: str, until: str | None, shuffles: int) -> SetResult:
    """The policy on one data set beside its peers, and in worlds of the same days in random order."""
    data = load_set(name, until)
    matrix = Matrix(data.history, data.build)
    # Daily retraining would take longer than all others together.
    schedules = [item for item in build_schedules(data.history, data.start) if item.name != DAILY]
    result = compare(matrix, data.start, schedules, replay(matrix, data.start))
    detected = {title: follow(matrix, data.start, rule) for title, rule in build_detectors().items()}
    count = 1 if len(data.history.days) > MOST_SHUFFLED_ROWS else shuffles
    worlds = (Matrix(data.history.shuffle_days(seed), data.build) for seed in range(count))
    shuffled = tuple(measure_shuffled(world, data.start) for world in worlds)
    return SetResult(replace(result, peers=result.peers | detected), shuffled)


def measure_shuffled(matrix: Matrix, start: int) -> ShuffledWorld:
    """The policy where the days of a data set are in random order, beside never retraining."""
    policy, never = replay(matrix, start), follow_schedule(matrix, start, Schedule("never", ()))
    price = matrix.spec.retrain.cost_days * matrix.find_accepted_error(start)
    return ShuffledWorld(policy, never, price, matrix.history.day_count - start)


def measure_world(place: int, days: int, seed: int) -> WorldResult:
    """The policy in one synthetic world, which is named by its place in `WORLDS`, beside calendars."""
    world = WORLDS[place]
    history = draw_world(world, days, seed)
    matrix = Matrix(history, build_linear if world.task == "regression" else build_logistic)
    policy = replay(matrix, FIRST_DAYS)
    weekly = follow_schedule(matrix, FIRST_DAYS, Schedule("weekly", tuple(range(FIRST_DAYS, history.day_count, 7)[1:])))
    calendars = {len(weekly.retrainings): weekly.error} | follow_calendars(matrix, history)
    return WorldResult(world.name, world.task, policy, calendars, weekly.error, FIRST_DAYS, days)


def follow_calendars(matrix: Matrix, history: History) -> dict[int, float]:
    """The errors of the even calendars of a world, never retraining among them, by their numbers of retrainings."""
    found = {}
    for count in (0, *WORLD_COUNTS):
        schedule = spread_evenly(EQUAL_COUNT, FIRST_DAYS, history.day_count, count)
        found[count] = follow_schedule(matrix, FIRST_DAYS, schedule).error
    return found


def _prepare_process() -> None:
    os.environ[THREADS_VARIABLE] = "1"  # with more threads the two processes would wait for each other's cores
