"""The null distributions of a version: how far each drift check strays by chance, in windows of its own reference.

Rows of one day resemble each other, and so do days of one season. So windows of whole days stray further than as many
independent rows. Three kinds of windows are drawn and measured:

1. rows, drawn one by one,
2. random days, against all other days of the reference,
3. days in a row, against all other days of the reference.

The kind that strays furthest counts, even where it may do so by luck. A test for dependence misses most of it in a
short reference, and a miss costs false alarms for as long as the version serves.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cyclone.checks.chance import Null
from cyclone.checks.distances import DISTANCES, MISSING, UNKNOWN, Bins, as_quadratic, measure_distance
from cyclone.losses import bound_number
from cyclone.sections import CheckRules
from cyclone.spec import ModelSpec
from training.fit.profile import Subject

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

# So many draws leave 40 and 4 beyond the quantiles of `TAILS`. More draws steady the fit and take longer.
DRAWS = 4000
TAILS = (0.01, 0.001)
"""The shares of drawn windows above the quantiles to which the degrees of freedom are fitted.

Verdicts are decided further out, where draws say nothing. So the heavier of the two fitted tails is taken. By the
first alone, the Wasserstein distance of independent rows exceeded its limit for 1 in 100,000 four times as often.
"""
# The degrees of freedom between which the fit is sought. Beyond 1,000 a χ² is as good as normal.
FREEDOMS = (0.5, 1000.0)
CELLS = 1_000_000
"""The most counts, windows times bins, that are drawn for a subject. It bounds time and memory for 5,000 categories.

A subject of up to 250 bins gets all `DRAWS`. One of more bins sums up so many terms that fewer draws tell its spread.
"""
# Any fixed number makes a training repeatable. This one is the first day of the example's data.
SEED = 20110101


@dataclass(frozen=True)
class SubjectNull:
    """The null distribution of one check for one subject."""

    check_name: str
    subject: str
    null: Null


@dataclass(frozen=True)
class _Spread:
    """How a quadratic distance spreads between windows: like mean × χ²(freedom) / freedom."""

    mean: float
    freedom: float


def build_nulls(
    spec: ModelSpec, subjects: list[Subject], created_at: "pd.Series[Any]", checks: Collection[str] = DISTANCES
) -> list[SubjectNull]:
    """The null distributions of drift checks, all of them unless told, and every subject but calendar features.

    `created_at` holds the times of the rows that the subjects counted, in the same order.
    """
    day = created_at.dt.floor("D").rank(method="dense").astype("int64").to_numpy() - 1
    found = []
    for subject in subjects:
        if not subject.is_calendar:
            bins, counts = count_days(subject, day)
            for check in checks:
                window_days = spec.monitor.drift.get(check, CheckRules()).window_days
                null = find_null(check, bins, counts, window_days)
                if null is not None:
                    found.append(SubjectNull(check, subject.name, null))
    return found


def flatten_null(item: SubjectNull) -> dict[str, Any]:
    """A null distribution as one row of the table `reference_null`."""
    fields = asdict(item)
    return {**fields.pop("null"), **fields}


def count_days(subject: Subject, day: "Array") -> "tuple[Bins, Array]":
    """A subject's bins, and its number of rows by day and bin, shape (days, bins).

    The first bin is for values that the reference does not know. `day` numbers the day of each row from 0.
    """
    import numpy as np

    numbers = np.array([UNKNOWN, *(item.bin for item in subject.bins)])
    order = numbers.argsort()
    place = order[np.searchsorted(numbers, subject.rows, sorter=order)]
    shape = (int(day.max()) + 1, len(numbers))
    counts = np.bincount(day * shape[1] + place, minlength=shape[0] * shape[1]).reshape(shape)
    is_number = [False, *(item.bin != MISSING and item.category is None for item in subject.bins)]
    is_open = [False, *(None in (item.lower_bound, item.upper_bound) for item in subject.bins)]
    bins = Bins(
        bin=numbers,
        is_number=np.array(is_number),
        is_outside=np.array(is_number) & np.array(is_open) & (counts.sum(axis=0) == 0),
        center=np.array([np.nan, *(_find_center(item.lower_bound, item.upper_bound) for item in subject.bins)]),
    )
    return bins, counts


def find_null(check: str, bins: Bins, counts: "Array", window_days: int) -> Null | None:
    """The null distribution of a check for windows of `window_days`, or None if the check cannot be measured.

    A window has at most half of the reference's days, because the other half is compared with it.
    """
    days, rows = len(counts), int(counts.sum())
    window_days = max(1, min(window_days, days // 2))
    window_rows = rows * window_days / days
    drawn = _draw_rows(check, counts.sum(axis=0), round(window_rows))
    # None says that no number of days limits what is known of independent rows.
    spreads: list[tuple[_Spread | None, int | None]] = [(_measure_spread(check, bins, *drawn), None)]
    if days > 1:
        draws = _count_draws(counts)
        drawn_days, in_a_row = _draw_days(days, window_days, draws), _list_days_in_a_row(days, window_days, draws)
        spreads.append((_measure_days(check, bins, counts, drawn_days), days))
        # Stretches overlap. Only so many of them share no day.
        spreads.append((_measure_days(check, bins, counts, in_a_row), days // window_days))
    known = [(spread, samples) for spread, samples in spreads if spread is not None]
    if not known:
        return None
    widest, samples = max(known, key=lambda item: item[0].mean)
    # A few stretches have no tail to fit. So the heaviest tail of all kinds is taken.
    freedom = min(spread.freedom for spread, _ in known)
    return Null(widest.mean, freedom, samples, window_days, window_rows, rows)


def _find_center(lower: float | None, upper: float | None) -> float:
    bounds = [bound_number(bound) for bound in (lower, upper) if bound is not None]
    return sum(bounds) / len(bounds) if bounds else float("nan")


def _draw_rows(check: str, counts: "Array", window_rows: int) -> "tuple[Array, Array]":
    """Random windows and references of independent rows, both as counts of shape (draws, bins)."""
    # What the reference has never seen may still come. So half a row of it counts as seen (Jeffreys 1946). A reference
    # of one bin could not tell otherwise how far chance goes.
    is_constant = (counts > 0).sum() < 2
    weights = counts + 0.5 if is_constant or check.endswith("_share") else counts
    return _draw_counts(tuple(weights / weights.sum()), max(1, window_rows), int(counts.sum()), _count_draws(counts))


def _count_draws(counts: "Array") -> int:
    return max(1, min(DRAWS, CELLS // int(counts.shape[-1])))


# The checks of a subject share their draws, which take most of the time.
@lru_cache(maxsize=2)
def _draw_counts(shares: tuple[float, ...], window_rows: int, rows: int, draws: int) -> "tuple[Array, Array]":
    import numpy as np

    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(window_rows, shares, draws), rng.multinomial(rows, shares, draws)
    for counts in drawn:
        counts.flags.writeable = False
    return drawn


@lru_cache(maxsize=4)
def _draw_days(days: int, window_days: int, draws: int) -> "Array":
    import numpy as np

    rng = np.random.default_rng(SEED)
    return rng.permuted(np.tile(np.arange(days), (draws, 1)), axis=1)[:, :window_days]


def _list_days_in_a_row(days: int, window_days: int, draws: int) -> "Array":
    """Stretches of `window_days` days, at most `draws`, shape (stretches, window_days). The first day follows the last.

    There is one from every day on, or from as many as `draws` allows, spread evenly.
    """
    import numpy as np

    starts = np.linspace(0, days, min(days, draws), endpoint=False).astype("int64")
    return (starts[:, None] + np.arange(window_days)) % days


def _measure_days(check: str, bins: Bins, counts: "Array", windows: "Array") -> _Spread | None:
    """How windows of days spread against all other days of the reference.

    The mean is scaled as if the reference had all days, as it will have in service.
    """
    days, window_days = len(counts), windows.shape[1]
    # Day by day, because all days of all windows at once would take as much more memory as a window has days.
    observed = sum(counts[day] for day in windows.T)
    spread = _measure_spread(check, bins, observed, counts.sum(axis=0) - observed)
    if spread is None:
        return None
    # The variance of a difference falls with the days of both sides, as 1 / window + 1 / reference.
    scale = (1 / window_days + 1 / days) / (1 / window_days + 1 / (days - window_days))
    return _Spread(spread.mean * scale, spread.freedom)


def _measure_spread(check: str, bins: Bins, observed: "Array", expected: "Array") -> _Spread | None:
    import numpy as np

    values = measure_distance(check, bins, observed, expected)
    if values is None:
        return None
    squares = as_quadratic(check, values, observed.sum(axis=1), expected.sum(axis=1))
    # A window without a value to compare says nothing of the distance.
    squares = squares[~np.isnan(squares)]
    if len(squares) < 2 or squares.var() == 0:
        return None
    return _Spread(float(squares.mean()), _find_freedom(squares))


def _find_freedom(squares: "Array") -> float:
    """Degrees of freedom of the χ² that has the same upper tail as these squared distances.

    The tail is fitted and not the variance, because verdicts are decided in the tail. The tail of a sum of unlike
    squares is heavier than that of the χ² with its variance.
    Rare bins give values that are too coarse for a tail. Then the variance is fitted (Satterthwaite 1946).
    """
    import numpy as np

    mean = float(squares.mean())
    quantiles = np.quantile(squares, [1 - tail for tail in TAILS])
    fitted = [_fit_freedom(tail, float(quantile) / mean) for tail, quantile in zip(TAILS, quantiles, strict=True)]
    found = [freedom for freedom in fitted if freedom is not None]
    return min(found) if found else float(2 * mean**2 / squares.var(ddof=1))


def _fit_freedom(tail: float, ratio: float) -> float | None:
    """The freedom whose χ² is beyond `ratio` times its mean with the chance `tail`. None outside of `FREEDOMS`."""
    from scipy.optimize import brentq  # type: ignore[import-untyped, unused-ignore]
    from scipy.special import chdtri  # type: ignore[import-untyped, unused-ignore]

    fewest, most = FREEDOMS
    if not chdtri(most, tail) / most < ratio < chdtri(fewest, tail) / fewest:
        return None
    return float(brentq(lambda freedom: chdtri(freedom, tail) / freedom - ratio, fewest, most))
