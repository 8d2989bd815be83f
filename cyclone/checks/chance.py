"""What is chance: how far a check strays when nothing has changed, and where a false alarm rate draws the line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cyclone.checks.distances import as_quadratic, from_quadratic

WINDOWS_A_YEAR = 365
"""A window of whole days is new once a day, however often it is looked at."""


@dataclass(frozen=True)
class Null:
    """What windows of the reference's own days say of a check and subject: see training/fit/null_distributions.py.

    The quadratic distance is `expected` on average and spreads like `expected` × χ²(freedom) / freedom, as of a
    window of `window_rows` rows in `window_days` days. `days`: of the reference, from which that was estimated; None
    where it follows from the numbers of rows alone.
    """

    expected: float
    freedom: float
    days: int | None
    window_days: int
    window_rows: float
    reference_rows: int

    def scale(self, window_rows: float, window_days: int) -> float:
        """`expected` for another window: it grows as its rows or days get fewer, and never shrinks."""
        rows = (1 / window_rows + 1 / self.reference_rows) / (1 / self.window_rows + 1 / self.reference_rows)
        return self.expected * max(1.0, rows, self.window_days / window_days)


def compute_p_value(check: str, value: float, window_rows: int, window_days: int, null: Null) -> float:
    """The chance of a value as large as this one when nothing has changed.

    It is χ² with the scale and the degrees of freedom of the reference: see training/fit/null_distributions.py. Where
    those are estimated from some days, it is F instead, whose tail is heavier the fewer they are (Rao & Scott 1984).
    """
    from scipy.special import chdtrc, fdtrc  # type: ignore[import-untyped, unused-ignore]

    ratio = as_quadratic(check, value, window_rows, null.reference_rows) / null.scale(window_rows, window_days)
    if null.days is None:
        return float(chdtrc(null.freedom, null.freedom * ratio))
    return float(fdtrc(null.freedom, null.freedom * (null.days - 1), ratio))


def find_limit(check: str, p_value: float, window_rows: int, window_days: int, null: Null) -> float:
    """The value whose p-value is this one."""
    from scipy.special import chdtri, fdtri  # type: ignore[import-untyped, unused-ignore]

    if null.days is None:
        ratio = chdtri(null.freedom, p_value) / null.freedom
    else:
        ratio = fdtri(null.freedom, null.freedom * (null.days - 1), 1 - p_value)
    quadratic = float(ratio) * null.scale(window_rows, window_days)
    return from_quadratic(check, quadratic, window_rows, null.reference_rows)


def find_threshold(p_values: Sequence[float], alpha: float) -> float:
    """Up to which p-value subjects fail: a share of at most `alpha` of them by chance (Benjamini & Hochberg 1995).

    Where none fails, what the smallest would have needed.

    >>> find_threshold([0.01, 0.02, 0.9, 0.5], alpha=0.05)
    0.025
    """
    ranked = sorted(p_values)
    passing = [rank for rank, value in enumerate(ranked, start=1) if value <= alpha * rank / len(ranked)]
    return alpha * max(passing, default=1) / max(1, len(ranked))


def find_error_limit(accepted: float, standard_error: float | None, window_days: int, alpha: float) -> float | None:
    """The error that is above the accepted one by more than chance: Student's t over the days of the window."""
    from scipy.special import stdtrit  # type: ignore[import-untyped, unused-ignore]

    if standard_error is None or window_days < 2:
        return None
    return accepted + float(stdtrit(window_days - 1, 1 - alpha)) * standard_error


def alpha_of_window(alpha: float) -> float:
    """The false alarm rate of one window, of that of a year of them (Bonferroni)."""
    return alpha / WINDOWS_A_YEAR


Nulls = Mapping[tuple[str, str], Null]
"""By check and subject."""
