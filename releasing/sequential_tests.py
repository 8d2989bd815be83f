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
"""The parameters a and b of the beta distribution over which the likelihood of a share is mixed.

It gives most weight to small shares, because shares of failures are small. There the intervals are the narrowest.
"""
# Each halving adds one binary digit. A float has 53 of them.
BISECTIONS = 50


@dataclass(frozen=True)
class Interval:
    """An interval from `low` to `high`. Both ends belong to it."""

    low: float
    high: float


def bound_share(count: int, size: int, alpha: float) -> Interval:
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
    a, b = SHARE_PRIOR
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


def bound_mean(estimate: float, standard_error: float, effect: float, alpha: float) -> Interval:
    """The interval of a mean that was estimated from many samples. It decides soonest for a mean near `effect`.

    This is the inverse of the mixture sequential probability ratio test, with normal means mixed over N(0, effect²).
    Sources: Robbins 1970. Johari et al. 2017, "Peeking at A/B tests".
    """
    if standard_error == 0 or effect == 0:
        half = math.inf if standard_error else 0.0
    else:
        ratio = (effect / standard_error) ** 2
        half = standard_error * math.sqrt((1 + 1 / ratio) * (math.log1p(ratio) + 2 * math.log(1 / alpha)))
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
