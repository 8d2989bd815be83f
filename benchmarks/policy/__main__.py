"""`make bench-policy`: today's policy on real data sets and synthetic worlds, beside fair peers.

Each data set and each world is one piece of work, and two are done at a time. Another rule is measured by giving
`replay` another body.
"""

import os
import sys
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import print_figures, read_small
from benchmarks.policy.data import NAMES, load_set
from benchmarks.policy.detectors import build_detectors
from benchmarks.policy.figures import (
    SetResult,
    WorldResult,
    compute_figures,
    find_cost_ratios,
    find_equal_count_ratio,
    find_stationary_rates,
    find_weekly_ratio,
)
from benchmarks.policy.worlds import FIRST_DAYS, WORLDS, build_linear, build_logistic, draw_world
from cyclone.image_contract import THREADS_VARIABLE
from cyclone.places import REPOSITORY
from training.backtest.history import History
from training.backtest.matrix import Matrix
from training.backtest.picture import draw_picture
from training.backtest.replay import PolicyRun, replay_policy
from training.backtest.run import EQUAL_COUNT, compare
from training.backtest.schedules import DAILY, Schedule, build_schedules, follow_schedule, spread_evenly
from training.backtest.walk import Run, follow

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


FULL = Size(NAMES, {}, shuffles=3, world_days=365, seeds=3)
SMALL = Size(
    ("electricity", "bikes_high"),
    {"electricity": "2014-02-12", "bikes_high": "2011-02-12"},
    shuffles=1,
    world_days=15,
    seeds=1,
)


def replay(matrix: Matrix, start: int) -> PolicyRun:
    """The policy that is measured: the one that serves."""
    return replay_policy(matrix, start)


def main() -> None:
    """Measure, print the tables, draw a picture of each data set, and end with one line of JSON."""
    is_small = read_small(__doc__)
    size = SMALL if is_small else FULL
    sets, worlds = measure_all(size)
    console = Console(width=max(Console().width, 150))
    console.print(build_set_table(sets), build_cost_table(sets), build_world_table(worlds))
    rates = find_stationary_rates(sets, worlds)
    console.print(f"Retrainings a year where nothing changes: {rates}", highlight=False)
    folder = REPOSITORY / ".cyclone" / ("policy-small" if is_small else "policy")
    draw_pictures(sets, folder)
    console.print(f"Pictures: {folder}", highlight=False)
    print_figures(compute_figures(sets, worlds), is_small=is_small)


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
    shuffled = tuple(replay(world, data.start) for world in worlds)
    return SetResult(replace(result, peers=result.peers | detected), shuffled)


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


def build_set_table(sets: list[SetResult]) -> Table:
    """Errors with the numbers of retrainings, a line a data set."""
    table = Table(title="Errors (retrainings): same versions, gate and daily calibrations, except raw and hindsight")
    table.add_column("data")
    names = [EQUAL_COUNT, "weekly", "monthly", "never", "never, raw", "CUSUM", "ADWIN"]
    for heading in ("Cyclone", *names, "hindsight, same", "useless"):
        table.add_column(heading, justify="right")
    for item in sets:
        test = item.backtest
        own = test.policy
        best = test.hindsight.find_error(len(own.retrainings))
        peers = [_describe_run(test.peers[name]) for name in names]
        useless = str(sum(made.is_false for made in own.retrainings))
        table.add_row(item.name, _describe_run(own), *peers, f"{best:.4g}", useless)
    return table


def build_cost_table(sets: list[SetResult]) -> Table:
    """The ratios from which the figures come, a line a data set, and the lowest errors in hindsight."""
    table = Table(title="Ratios of the policy, and the lowest errors in hindsight by the number of retrainings")
    counts = (0, 1, 2, 4, 10, 27)
    for heading in ("data", "to equal count", "to weekly", "cost 1: to hindsight", "to best calendar"):
        table.add_column(heading, justify="left" if heading == "data" else "right")
    for count in counts:
        table.add_column(f"best {count}", justify="right")
    for item in sets:
        test = item.backtest
        ratios = find_equal_count_ratio(test), find_weekly_ratio(test), *find_cost_ratios(test, 1.0)
        best = (test.hindsight.find_error(count) for count in counts)
        table.add_row(item.name, *(f"{ratio:.3f}" for ratio in ratios), *(f"{error:.4g}" for error in best))
    return table


def build_world_table(worlds: list[WorldResult]) -> Table:
    """Means over the seeds, a line a world."""
    table = Table(title="Synthetic worlds, where a retraining costs the errors of one day")
    for heading in ("world", "task", "retrainings", "without gain", "cost to best calendar", "won"):
        table.add_column(heading, justify="left" if heading in ("world", "task") else "right")
    groups: dict[tuple[str, str], list[WorldResult]] = {}
    for item in worlds:
        groups.setdefault((item.name, item.task), []).append(item)
    for (name, task), group in groups.items():
        made = sum(len(item.policy.retrainings) for item in group) / len(group)
        false = sum(made.is_false for item in group for made in item.policy.retrainings) / len(group)
        ratio = sum(item.own_cost / item.best_calendar_cost for item in group) / len(group)
        won = f"{sum(item.is_won for item in group)} of {len(group)}"
        table.add_row(name, task, f"{made:.1f}", f"{false:.1f}", f"{ratio:.3f}", won)
    return table


def draw_pictures(sets: list[SetResult], folder: Path) -> None:
    """A picture of each data set, as `cyclone backtest` draws it."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in sets:
        draw_picture(item.backtest, folder / f"{item.name}.png")


def _describe_run(run: Run) -> str:
    return f"{run.error:.4g} ({len(run.retrainings)})"


def _prepare_process() -> None:
    os.environ[THREADS_VARIABLE] = "1"  # with more threads the two processes would wait for each other's cores


if __name__ == "__main__":
    main()
