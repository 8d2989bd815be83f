"""The drift checks as functions of counts: what `sql/checks/drift/<check>.sql` says, for many windows at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Array = Any
"""An array of NumPy, which is imported where it is needed."""

SMALLEST_SHARE = 1e-4
MISSING, UNKNOWN = -1, -2


@dataclass(frozen=True)
class Bins:
    """What is known of a subject's bins, one element a bin, in their order: see `window_bins` in `sql/views`."""

    bin: Array
    is_number: Array
    is_outside: Array
    center: Array
    """NaN where a bin has none."""


def measure_distance(check: str, bins: Bins, observed: Array, expected: Array) -> Array:
    """A check's value for each window; counts are arrays of (…, bins). None where it is not defined for a subject."""
    return DISTANCES[check](bins, observed, expected)


def as_quadratic(check: str, value: Array, window_rows: Array, reference_rows: Array) -> Array:
    """Values, one or many, as sums of squares of differences of shares: by chance they fall as 1/n + 1/m does."""
    if check == "population_stability":
        return value
    if check == "chi_squared":
        return value * (1 / window_rows + 1 / reference_rows)
    return value**2


def from_quadratic(check: str, quadratic: float, window_rows: float, reference_rows: float) -> float:
    """The value that `as_quadratic` turns into this."""
    if check == "population_stability":
        return quadratic
    if check == "chi_squared":
        return quadratic / (1 / window_rows + 1 / reference_rows)
    return float(quadratic**0.5)


def _share(counts: Array) -> Array:
    import numpy as np

    total = counts.sum(axis=-1, keepdims=True)
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
    variance = (share * center**2).sum(axis=-1) - (share * center).sum(axis=-1) ** 2
    deviation = np.sqrt(np.where(variance > 0, variance, np.nan))
    return (np.abs(p - q)[..., :-1] * np.diff(center)).sum(axis=-1) / deviation


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
