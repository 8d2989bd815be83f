"""The best schedule in hindsight: the days of retraining that give the lowest error, known only afterwards.

No policy can be better with the same versions. What lies between a policy and this is what deciding could still gain.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.backtest.history import History
from training.backtest.matrix import Matrix

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MOST_VERSIONS = 60
"""The most versions of the regular grid that hindsight may choose from.

Each costs a fit, and a calibration a day: minutes for a year with sixty of them.
"""


@dataclass(frozen=True)
class Hindsight:
    """The lowest mean error with at most n retrainings, at place n of `errors`, and the days of these retrainings.

    It chooses among versions of every `every_days` days, and of the days on which the policy or a peer retrained. All
    are corrected daily. There is no gate.
    """

    every_days: int
    errors: tuple[float, ...]
    days: tuple[tuple[int, ...], ...]

    def find_error(self, count: int) -> float:
        """The lowest mean error with at most `count` retrainings."""
        return self.errors[min(count, len(self.errors) - 1)]

    def find_cost(self, days: int, cost: float) -> float:
        """The lowest total cost: the mean error times `days`, and `cost` for each retraining."""
        return min(error * days + cost * count for count, error in enumerate(self.errors))


def list_grid(history: History, start: int) -> tuple[int, list[int]]:
    """The distance in days of the grid, and its days. The first is the start.

    >>> from types import SimpleNamespace
    >>> list_grid(SimpleNamespace(day_count=30), 10)[0], list_grid(SimpleNamespace(day_count=400), 10)[0]
    (1, 7)
    """
    days = history.day_count - start
    every = 1 if days <= MOST_VERSIONS else 7 * -(-days // (7 * MOST_VERSIONS))
    return every, list(range(start, history.day_count, every))


def find_best_schedules(matrix: Matrix, start: int, candidates: list[int], every_days: int) -> Hindsight:
    """The best schedules among versions of the days `candidates`, by dynamic programming.

    `candidates` holds days of training, and `start` is the first. A version serves from its day until the next one's.
    """
    import numpy as np

    days = sorted(set(candidates))
    served = _sum_stretches(matrix, days)
    # best[v]: the lowest sum of losses up to the training of version v, with so many retrainings, v the last of them.
    best = np.full(len(days), np.inf)
    best[0] = 0.0
    chosen: list[list[tuple[int, ...]]] = [[(start,)] * len(days)]
    totals: list[tuple[float, tuple[int, ...]]] = [(float(served[0, -1]), ())]
    for _ in range(1, len(days)):
        reached = best[:, None] + served[:, : len(days)]
        before = np.argmin(reached, axis=0)
        best = reached[before, np.arange(len(days))]
        chosen.append([(*chosen[-1][place], days[version]) for version, place in enumerate(before)])
        last = int(np.argmin(best + served[:, -1]))
        totals.append((float(best[last] + served[last, -1]), chosen[-1][last][1:]))
        if not np.isfinite(totals[-1][0]):
            break
    rows = matrix.history.rows_of(start, matrix.history.day_count)
    kept = [min(totals[: count + 1], key=lambda item: item[0]) for count in range(len(totals))]
    return Hindsight(
        every_days, tuple(total / (rows.stop - rows.start) for total, _ in kept), tuple(days for _, days in kept)
    )


def _sum_stretches(matrix: Matrix, days: list[int]) -> "Array":
    """The sum of losses of version v from its day to that of version w, shape (versions, versions + 1).

    The last column is to the end of the history. Where w is not later than v it is infinite.
    """
    import numpy as np

    ends = [*days, matrix.history.day_count]
    sums = np.full((len(days), len(ends)), np.inf)
    for place, day in enumerate(days):
        parts = [
            float(matrix.measure(day, first, end).sum())
            for first, end in zip(ends[place:-1], ends[place + 1 :], strict=True)
        ]
        sums[place, place + 1 :] = np.cumsum(parts)
    return sums
