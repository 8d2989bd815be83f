"""The ratio of two errors on the same rows, with bounds that know that rows of one day resemble each other."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LARGEST_RATIO = 1e9
"""Stands for an infinite ratio, which JSON cannot hold."""


@dataclass(frozen=True)
class ErrorRatio:
    """The challenger's mean error divided by the champion's on the same rows.

    `lower` and `upper` are one-sided bounds of the ratio.
    """

    champion_error: float
    challenger_error: float
    ratio: float
    lower: float
    upper: float
    rows: int


def compare_days(day: "Array", champion: "Array", challenger: "Array", confidence: float) -> ErrorRatio:
    """The ratio of the mean errors, with Fieller's bounds from the sums of its days.

    `day` has the number of each row's day, and the two arrays its losses. A ratio is within the bounds if Student's
    test does not tell the days' sums from that ratio. One day has no spread: its bounds are 0 and `LARGEST_RATIO`. A
    bootstrap of five to seven days gives bounds that are too close: a challenger at the margin passed `prove` two to
    four times as often as promised.
    Source: Cochran, Sampling Techniques, 1977, chapter 6.

    >>> import numpy as np
    >>> found = compare_days(np.array([0, 1, 2]), np.full(3, 2.0), np.array([2.0, 3.0, 4.0]), 0.95)
    >>> found.ratio, round(found.lower, 3), round(found.upper, 3)
    (1.5, 0.657, 2.343)
    """
    below, above = _sum_days(day, champion, challenger)
    ratio = _divide(above.sum(), below.sum())
    lower, upper = _find_bounds(below, above, ratio, confidence)
    return ErrorRatio(float(champion.mean()), float(challenger.mean()), ratio, lower, upper, len(champion))


def _find_bounds(below: "Array", above: "Array", ratio: float, confidence: float) -> tuple[float, float]:
    import numpy as np
    from scipy.special import stdtrit  # type: ignore[import-untyped, unused-ignore]

    count = len(below)
    if count == 1:
        return 0.0, LARGEST_RATIO
    if below.sum() <= 0:
        return ratio, ratio  # nothing to divide by: it is 1 or infinite on all days alike
    # |above - R below| <= t sqrt(variance of it) is a quadratic inequality in R: square R^2 - 2 middle R + level <= 0.
    spread = float(stdtrit(count - 1, confidence)) ** 2 / count * np.cov(np.stack([below, above]))
    square, level = below.mean() ** 2 - spread[0, 0], above.mean() ** 2 - spread[1, 1]
    middle = below.mean() * above.mean() - spread[0, 1]
    root = middle + float(np.sqrt(max(0.0, middle**2 - square * level)))
    # Where the champion's own error may be 0 by chance no ratio is too large, and small ones may still be ruled out.
    lower = float(level / root) if level > 0 else 0.0
    return lower, min(LARGEST_RATIO, float(root / square)) if square > 0 else LARGEST_RATIO


def _sum_days(day: "Array", champion: "Array", challenger: "Array") -> "Array":
    """The sums of losses by day, shape (2, days). The champion's are the first row, the challenger's the second."""
    import numpy as np

    _, place = np.unique(day, return_inverse=True)
    return np.stack([np.bincount(place, weights=losses) for losses in (champion, challenger)])


def _divide(above: float, below: float) -> float:
    """`above / below` as a number that JSON can hold. It is 1 when both are 0, and large when only `below` is 0."""
    if below > 0:
        return float(above / below)
    return 1.0 if above <= 0 else LARGEST_RATIO
