"""Chance: how far a check's value strays when nothing has changed, and which limits follow from a false alarm rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cyclone.checks.distances import as_quadratic, from_quadratic

WINDOWS_A_YEAR = 365
"""The windows of one check in a year, by which the yearly false alarm rate is divided.

Windows are whole days, so there is a new one once a day, however often it is looked at.
"""
# Fewer days have no spread.
LEAST_DAYS = 2


@dataclass(frozen=True)
class Null:
    """The null distribution of one check and subject: its values on windows of the reference's own days.

    The quadratic distance of a window with `window_rows` rows in `window_days` days is `expected` on average. It is
    distributed like `expected` × χ²(freedom) / freedom. `days` is the number of independent pieces of the reference
    that this was estimated from: its days, or its stretches of `window_days` days that share no day. It is None where
    the distribution follows from the numbers of rows alone.
    Source: training/fit/null_distributions.py, which estimates it.
    """

    expected: float
    freedom: float
    days: int | None
    window_days: int
    window_rows: float
    reference_rows: int

    def scale(self, window_rows: float, window_days: float) -> float:
        """The expected quadratic distance of another window. It grows with fewer rows or days, and never shrinks."""
        # Rows and days measure the same scarcity of evidence. Only the scarcer of the two counts.
        rows = (1 / window_rows + 1 / self.reference_rows) / (1 / self.window_rows + 1 / self.reference_rows)
        return self.expected * max(1.0, rows, self.window_days / window_days)


def compute_p_value(check: str, value: float, window_rows: int, window_days: float, null: Null) -> float:
    """The p-value, from 0 to 1: the chance of a value at least this large when nothing has changed.

    It is the upper tail of χ² with the scale and the degrees of freedom of the null distribution. Where these were
    estimated from a number of days or stretches, it is the upper tail of F. It is heavier, the fewer these are.
    Source: Rao & Scott (1984).
    """
    # Imported here because SciPy takes long to import, and most commands need none of it.
    from scipy.special import chdtrc, fdtrc  # type: ignore[import-untyped, unused-ignore]

    ratio = as_quadratic(check, value, window_rows, null.reference_rows) / null.scale(window_rows, window_days)
    if null.days is None:
        return float(chdtrc(null.freedom, null.freedom * ratio))
    return float(fdtrc(null.freedom, null.freedom * (null.days - 1), ratio))


def find_limit(check: str, p_value: float, window_rows: int, window_days: float, null: Null) -> float:
    """The check's value that has this p-value. It is the inverse of `compute_p_value`."""
    from scipy.special import chdtri, fdtri  # type: ignore[import-untyped, unused-ignore]

    if null.days is None:
        ratio = chdtri(null.freedom, p_value) / null.freedom
    else:
        ratio = fdtri(null.freedom, null.freedom * (null.days - 1), 1 - p_value)
    quadratic = float(ratio) * null.scale(window_rows, window_days)
    return from_quadratic(check, quadratic, window_rows, null.reference_rows)


def find_threshold(p_values: Sequence[float], alpha: float) -> float:
    """The largest p-value that fails, when all subjects together shall raise a false alarm at the rate `alpha`.

    At most a share of `alpha` of the failed subjects fails by chance. Where no subject fails, it is the p-value that
    the smallest one would have needed.
    Source: Benjamini & Hochberg (1995).

    >>> find_threshold([0.01, 0.02, 0.9, 0.5], alpha=0.05)
    0.025
    """
    ranked = sorted(p_values)
    passing = [rank for rank, value in enumerate(ranked, start=1) if value <= alpha * rank / len(ranked)]
    return alpha * max(passing, default=1) / max(1, len(ranked))


def find_error_limit(accepted: float, standard_error: float | None, days: float | None, alpha: float) -> float | None:
    """The error above which chance no longer explains the distance to the accepted error.

    It comes from Student's t with one degree of freedom less than the window has days with labels, by which the
    standard error was estimated. Days with unequal numbers of labels count as fewer (Carter, Schnepel & Steigerwald
    2017). The unit is that of `accepted`. None without a standard error, or with labels of fewer than two days.
    """
    from scipy.special import stdtrit  # type: ignore[import-untyped, unused-ignore]

    if standard_error is None or days is None or days < LEAST_DAYS:
        return None
    return accepted + float(stdtrit(days - 1, 1 - alpha)) * standard_error


def alpha_of_window(alpha: float) -> float:
    """The false alarm rate of one window, from the rate of a year of windows (Bonferroni)."""
    return alpha / WINDOWS_A_YEAR


Nulls = Mapping[tuple[str, str], Null]
"""Null distributions, by name of check and by subject."""
