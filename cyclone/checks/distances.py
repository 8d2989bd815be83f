"""The drift checks as functions of counts, for many windows at once.

Each function computes what `sql/checks/drift/<check>.sql` computes for one window. A test compares the two.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Array = Any
"""An array of NumPy. NumPy is imported only in the functions that need it."""

SMALLEST_SHARE = 1e-4
"""The least share that a bin counts with in the population stability index, as in Evidently.

An empty bin would make the index infinite. `sql/checks/drift/population_stability.sql` has the same number.
"""
LEAST_DEVIATION = 1e-9
"""The standard deviation, as a share of the largest number, below which a reference has one number but for rounding.

`sql/checks/drift/wasserstein.sql` has the same number.
"""
MISSING, UNKNOWN = -1, -2
"""The numbers of the two bins that every subject has: missing values, and values that the reference does not know."""


@dataclass(frozen=True)
class Bins:
    """The bins of one subject, one element a bin in each array. The order is that of the function `window_bins`."""

    bin: Array
    is_number: Array
    is_outside: Array
    center: Array
    """The middle of a bin, in the feature's unit. NaN for a bin without one."""


def measure_distance(check: str, bins: Bins, observed: Array, expected: Array) -> Array:
    """A check's value for each window. None for a subject that the check is not defined for.

    `observed` and `expected` are counts of shape (…, bins). The result has the shape without the last axis.
    """
    return DISTANCES[check](bins, observed, expected)


def as_quadratic(check: str, value: Array, window_rows: Array, reference_rows: Array) -> Array:
    """A check's values on the scale of squared differences of shares.

    On this scale, values that come from chance alone fall in proportion to 1 / window_rows + 1 / reference_rows.
    """
    if check == "population_stability":
        return value
    if check == "chi_squared":
        return value * (1 / window_rows + 1 / reference_rows)
    return value * value  # a power of a large float is an error, its product is infinite


def from_quadratic(check: str, quadratic: float, window_rows: float, reference_rows: float) -> float:
    """A check's value, from the quadratic scale. It is the inverse of `as_quadratic`."""
    if check == "population_stability":
        return quadratic
    if check == "chi_squared":
        return quadratic / (1 / window_rows + 1 / reference_rows)
    return float(quadratic**0.5)


def _share(counts: Array) -> Array:
    import numpy as np

    total = counts.sum(axis=-1, keepdims=True)
    # A window without rows gets NaN, so that its value is none instead of a false 0.
    return counts / np.where(total > 0, total, np.nan)


def _measure_stability(bins: Bins, observed: Array, expected: Array) -> Array:
    import numpy as np

    p, q = (np.maximum(_share(counts), SMALLEST_SHARE) for counts in (observed, expected))
    return ((p - q) * np.log(p / q)).sum(axis=-1)


def _measure_jensen_shannon(bins: Bins, observed: Array, expected: Array) -> Array:
    import numpy as np

    p, q = _share(observed), _share(expected)
    both = np.where(p + q > 0, p + q, 1)
    terms = sum(side * np.log(np.where(side > 0, 2 * side / both, 1)) for side in (p, q))
    # Divided by ln 2 for a value from 0 to 1. Rounding may leave a sum just below 0, which has no root.
    return np.sqrt(np.maximum(0, terms.sum(axis=-1) / (2 * np.log(2))))


def _measure_chi_squared(bins: Bins, observed: Array, expected: Array) -> Array:
    import numpy as np

    n, m = (counts.sum(axis=-1, keepdims=True) for counts in (observed, expected))
    both = observed + expected
    difference = _share(observed) - _share(expected)
    return (difference**2 * n * m / np.where(both > 0, both, 1)).sum(axis=-1)


def _measure_below(bins: Bins, observed: Array, expected: Array) -> tuple[Array, Array]:
    sides = (_share(counts[..., bins.is_number]).cumsum(axis=-1) for counts in (observed, expected))
    p, q = sides
    return p, q


def _measure_kolmogorov_smirnov(bins: Bins, observed: Array, expected: Array) -> Array:
    import numpy as np

    if not bins.is_number.any():
        return None
    p, q = _measure_below(bins, observed, expected)
    return np.abs(p - q).max(axis=-1)


def _measure_wasserstein(bins: Bins, observed: Array, expected: Array) -> Array:
    import numpy as np

    center = bins.center[bins.is_number]
    if len(center) == 0 or np.isnan(center).any():
        return None
    p, q = _measure_below(bins, observed, expected)
    share = _share(expected[..., bins.is_number])
    away = center - (share * center).sum(axis=-1, keepdims=True)
    deviation = np.sqrt((share * away**2).sum(axis=-1))
    is_spread = deviation > LEAST_DEVIATION * np.abs(center).max()
    area = (np.abs(p - q)[..., :-1] * np.diff(center)).sum(axis=-1)
    return np.where(is_spread, area / np.where(is_spread, deviation, 1), np.abs(p - q).max(axis=-1))


def _measure_missing(bins: Bins, observed: Array, expected: Array) -> Array:
    return _measure_shift(bins.bin == MISSING, observed, expected)


def _measure_unknown(bins: Bins, observed: Array, expected: Array) -> Array:
    return _measure_shift(bins.bin == UNKNOWN, observed, expected)


def _measure_outside(bins: Bins, observed: Array, expected: Array) -> Array:
    return _measure_shift(bins.is_outside, observed, expected)


def _measure_shift(chosen: Array, observed: Array, expected: Array) -> Array:
    import numpy as np

    if not chosen.any():
        return None
    p, q = (_share(counts)[..., chosen].sum(axis=-1) for counts in (observed, expected))
    return np.abs(p - q)


DISTANCES: dict[str, Callable[[Bins, Any, Any], Any]] = {
    "population_stability": _measure_stability,
    "jensen_shannon": _measure_jensen_shannon,
    "chi_squared": _measure_chi_squared,
    "kolmogorov_smirnov": _measure_kolmogorov_smirnov,
    "wasserstein": _measure_wasserstein,
    "missing_share": _measure_missing,
    "unknown_share": _measure_unknown,
    "outside_share": _measure_outside,
}
"""The function of each drift check, by the check's name."""
