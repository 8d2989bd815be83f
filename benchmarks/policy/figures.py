"""The figures of `make bench-policy`, each defined by its function.

A retraining costs a number of days: as much as the errors of so many days under weekly retraining. So costs mean the
same in gigawatts, bikes and nats.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from training.backtest.run import EQUAL_COUNT, Backtest
from training.backtest.walk import Run

COSTS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""The costs of a retraining, in days of weekly retraining's errors. With 0.25 weekly retraining costs 4 % more, with 4
it costs 57 % more."""
MIDDLE_COST = 1.0
"""The cost for which worlds are won."""
SETTLED_DAYS = 90
"""The days of a replay after which retrainings of an unchanging world count. Before, a version still has few rows."""


@dataclass(frozen=True)
class ShuffledWorld:
    """The days of a real data set in random order, `days` of them after the first version's training.

    Nothing changes there, and each day is as real as before. `price` is what a retraining costs by `cost_days`, in the
    unit of the error a day.
    """

    policy: Run
    never: Run
    price: float
    days: int

    @property
    def cost_ratio(self) -> float:
        """What the errors and retrainings cost, divided by what the errors of never retraining cost.

        More days make a better version even where nothing changes, so that it may be below 1.
        """
        own = total_cost(self.policy.error, len(self.policy.retrainings), self.days, self.price)
        return own / total_cost(self.never.error, 0, self.days, self.price)


@dataclass(frozen=True)
class SetResult:
    """One real data set: its backtest, and the policy in worlds of the same days in random order."""

    backtest: Backtest
    shuffled: tuple[ShuffledWorld, ...]

    @property
    def name(self) -> str:
        return self.backtest.history.spec.name

    @property
    def task(self) -> str:
        return self.backtest.history.spec.task


@dataclass(frozen=True)
class WorldResult:
    """One synthetic world: the policy, and the errors of even calendars by their numbers of retrainings.

    `weekly_error` is that of weekly retraining, `start` the replay's first day and `days` its length.
    """

    name: str
    task: str
    policy: Run
    calendars: Mapping[int, float]
    weekly_error: float
    start: int
    days: int

    @property
    def own_cost(self) -> float:
        unit = MIDDLE_COST * self.weekly_error
        return total_cost(self.policy.error, len(self.policy.retrainings), self.days, unit)

    @property
    def best_calendar_cost(self) -> float:
        unit = MIDDLE_COST * self.weekly_error
        return min(total_cost(error, count, self.days, unit) for count, error in self.calendars.items())

    @property
    def is_won(self) -> bool:
        """Whether the policy's total cost is not above that of the best calendar, which was chosen in hindsight."""
        return self.own_cost <= self.best_calendar_cost


def total_cost(error: float, count: int, days: int, unit: float) -> float:
    """The mean error times the days, and `unit` for each retraining."""
    return error * days + unit * count


def list_calendars(backtest: Backtest) -> list[tuple[int, float]]:
    """The number of retrainings and the error of every calendar, never retraining among them."""
    named = [backtest.peers[name] for name in (EQUAL_COUNT, "never", "monthly", "weekly")]
    return [*backtest.curve.items(), *((len(run.retrainings), run.error) for run in named)]


def find_equal_count_ratio(backtest: Backtest) -> float:
    """The policy's error divided by that of the even calendar with as many retrainings. It is 1 where it has none."""
    return backtest.policy.error / backtest.peers[EQUAL_COUNT].error


def find_weekly_ratio(backtest: Backtest) -> float:
    """The policy's error divided by that of weekly retraining."""
    return backtest.policy.error / backtest.peers["weekly"].error


def find_cost_ratios(backtest: Backtest, cost: float) -> tuple[float, float]:
    """The policy's total cost, divided by that of the best schedule in hindsight, and by that of the best calendar.

    Both are chosen for this cost, which is in days of weekly retraining's errors. The policy is the same for all costs.
    """
    unit = cost * backtest.peers["weekly"].error
    own = total_cost(backtest.policy.error, len(backtest.policy.retrainings), backtest.days, unit)
    calendar = min(total_cost(error, count, backtest.days, unit) for count, error in list_calendars(backtest))
    return own / backtest.hindsight.find_cost(backtest.days, unit), own / calendar


def compute_figures(sets: Sequence[SetResult], worlds: Sequence[WorldResult]) -> dict[str, float | None]:
    """All figures by their keys.

    - `equal_count_ratio_geomean`, `equal_count_ratio_worst`: `find_equal_count_ratio` over the data sets, the geometric
      mean and the highest.
    - `cost_against_hindsight`, `cost_against_best_calendar`: `find_cost_ratios`, the geometric mean over the data sets
      and `COSTS`.
    - `weekly_ratio_worst`: the highest `find_weekly_ratio` of a data set.
    - `retrainings_share_of_weekly`: the policy's retrainings divided by those of weekly retraining, the mean over the
      data sets.
    - `stationary_triggers_per_year_max`: `find_stationary_rates`, the highest of the tasks.
    - `gradual_worlds_won`, `abrupt_worlds_won`: the share of the synthetic worlds of this name with `is_won`.
    - `useless_retrainings_share`: the share of the policy's retrainings in the data sets that were refused or had no
      gain over the next seven days, both versions as corrected. None where there was no retraining.
    """
    tests = [item.backtest for item in sets]
    made = [item for test in tests for item in test.policy.retrainings]
    costs = [find_cost_ratios(test, cost) for test in tests for cost in COSTS]
    equal = [find_equal_count_ratio(test) for test in tests]
    shares = [len(test.policy.retrainings) / len(test.peers["weekly"].retrainings) for test in tests]
    figures = {
        "equal_count_ratio_geomean": find_geometric_mean(equal),
        "equal_count_ratio_worst": max(equal),
        "cost_against_hindsight": find_geometric_mean(ratio for ratio, _ in costs),
        "cost_against_best_calendar": find_geometric_mean(ratio for _, ratio in costs),
        "weekly_ratio_worst": max(find_weekly_ratio(test) for test in tests),
        "retrainings_share_of_weekly": sum(shares) / len(shares),
        "stationary_triggers_per_year_max": max(find_stationary_rates(sets, worlds).values()),
        "gradual_worlds_won": find_share_won(worlds, "gradual"),
        "abrupt_worlds_won": find_share_won(worlds, "abrupt"),
        "useless_retrainings_share": sum(item.is_false for item in made) / len(made) if made else None,
    }
    return {name: None if value is None else round(value, 4) for name, value in figures.items()}


def find_stationary_rates(sets: Sequence[SetResult], worlds: Sequence[WorldResult]) -> dict[str, float]:
    """The policy's retrainings a year in worlds that do not change, by task, after the first `SETTLED_DAYS` days.

    These are the synthetic worlds `nothing`, and the days of each data set in random order. Those of a task are taken
    together: all retrainings divided by all years.
    """
    found = [(item.task, (world.policy, item.backtest.start, world.days)) for item in sets for world in item.shuffled]
    found += [(item.task, (item.policy, item.start, item.days)) for item in worlds if item.name == "nothing"]
    runs: dict[str, list[tuple[Run, int, int]]] = {}
    for task, run in found:
        runs.setdefault(task, []).append(run)
    return {task: find_settled_rate(of_task) for task, of_task in runs.items()}


def find_settled_rate(runs: Sequence[tuple[Run, int, int]]) -> float:
    """The retrainings a year after the first `SETTLED_DAYS` days, of runs with their first day and their length."""
    late = sum(item.day >= start + SETTLED_DAYS for run, start, _ in runs for item in run.retrainings)
    return 365 * late / sum(max(1, days - SETTLED_DAYS) for _, _, days in runs)


def find_share_won(worlds: Sequence[WorldResult], name: str) -> float:
    """The share of the worlds of a name that are won."""
    won = [item.is_won for item in worlds if item.name == name]
    return sum(won) / len(won)


def find_geometric_mean(ratios: Iterable[float]) -> float:
    """The geometric mean of ratios.

    >>> find_geometric_mean([0.5, 2.0])
    1.0
    """
    logarithms = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logarithms) / len(logarithms))
