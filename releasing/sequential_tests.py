"""Confidence sequences: intervals that stay valid however often one looks at them.

The error probability holds for all times together, not only for one chosen time. A fixed 95 % test that is repeated
until it speaks would condemn nearly every candidate in the end.
Each interval comes from a mixture of likelihood ratios. Ville's inequality bounds the probability that the mixture ever
exceeds a limit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

SHARE_PRIOR = (0.5, 5.0)
"""The parameters a and b of the beta distribution over which the likelihood of a share is usually mixed.

It gives most weight to small shares, because shares of failures are small. There the intervals are the narrowest.
"""
EFFECT_PRECISION = 0.1
"""One over the variance of the standardised effects over which the likelihood of a mean is mixed.

It gives most weight to effects of about three deviations of a cluster, so that five clusters can condemn.
"""
# Each halving adds one binary digit. A float has 53 of them.
BISECTIONS = 50


@dataclass(frozen=True)
class Interval:
    """An interval from `low` to `high`. Both ends belong to it."""

    low: float
    high: float


def bound_share(count: int, size: int, alpha: float, prior: tuple[float, float] = SHARE_PRIOR) -> Interval:
    """The interval of a probability when `count` of `size` trials came true.

    The probability that the true value is ever outside is at most `alpha`. It is exact: it holds the shares whose
    likelihood is more than `alpha` times that of the beta-binomial mixture.
    Sources: Robbins 1970. Howard, Ramdas et al. 2021.

    >>> bound_share(0, 0, 0.05)
    Interval(low=0.0, high=1.0)
    >>> [round(side, 3) for side in (bound_share(3, 300, 0.05).low, bound_share(3, 300, 0.05).high)]
    [0.001, 0.039]
    """
    if size == 0:
        return Interval(0.0, 1.0)
    a, b = prior
    mixture = _log_beta(count + a, size - count + b) - _log_beta(a, b)

    def is_refuted(share: float) -> bool:
        return mixture - _log_likelihood(count, size, share) >= math.log(1 / alpha)

    centre = count / size
    low = 0.0 if count == 0 else _bisect(0.0, centre, is_refuted)
    high = 1.0 if count == size else _bisect(1.0, centre, is_refuted)
    return Interval(low, high)


def bound_difference(candidate: tuple[int, int], champion: tuple[int, int], alpha: float) -> Interval:
    """The interval of the candidate's share minus the champion's. Both are given as (count, size)."""
    ours, theirs = bound_share(*candidate, alpha / 2), bound_share(*champion, alpha / 2)
    return Interval(ours.low - theirs.high, ours.high - theirs.low)


def bound_mean(estimate: float, standard_error: float, clusters: float, alpha: float) -> Interval:
    """The interval of a mean, from the spread between independent clusters of samples.

    It is the sequential t-test: normal standardised effects are mixed over N(0, 1 / `EFFECT_PRECISION`), and nothing
    is assumed of the spread. From too few clusters for `alpha` the interval has no end.
    Sources: Lai 1976. Wang & Ramdas 2024, "Anytime-valid t-tests and confidence sequences for Gaussian means with
    unknown variance".

    >>> bound_mean(3.0, 1.0, 4.0, 0.001)
    Interval(low=-inf, high=inf)
    >>> round(bound_mean(3.0, 1.0, 20.0, 0.05).low, 2)
    -0.81
    """
    shrinkage = EFFECT_PRECISION / (clusters + EFFECT_PRECISION)
    # With u = t² / (clusters - 1), the likelihood ratio reaches 1 / alpha where (1 + u) / (1 + shrinkage u) = growth.
    growth = (math.sqrt(1 + clusters / EFFECT_PRECISION) / alpha) ** (2 / clusters) if clusters > 1 else math.inf
    if shrinkage * growth >= 1:
        return Interval(-math.inf, math.inf)
    half = standard_error * math.sqrt((growth - 1) / (1 - shrinkage * growth) * (clusters - 1))
    return Interval(estimate - half, estimate + half)


def bound_distribution(size: int, alpha: float) -> float:
    """The largest distance between an empirical distribution function and the true one, for all sizes together.

    A larger distance ever occurs with a probability of at most `alpha`.
    Source: Howard & Ramdas 2022, "Sequential estimation of quantiles", equation 4, with its constants.
    """
    if size == 0:
        return 1.0
    return 0.85 * math.sqrt((math.log(1 + math.log(size)) + 0.8 * math.log(1612 / alpha)) / size)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_likelihood(count: int, size: int, share: float) -> float:
    return count * math.log(share) + (size - count) * math.log1p(-share)


def _bisect(refuted: float, possible: float, is_refuted: Callable[[float], bool]) -> float:
    """The border between the refuted shares and the possible ones, from one share of each kind."""
    for _ in range(BISECTIONS):
        middle = (refuted + possible) / 2
        refuted, possible = (middle, possible) if is_refuted(middle) else (refuted, middle)
    return possible
