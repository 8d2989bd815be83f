"""Intervals that stay valid however often one looks: the level holds at all times together, not at one chosen time.

A fixed 95 % test that is repeated until it speaks condemns nearly everybody in the end. These are confidence
sequences, each from a mixture of likelihood ratios, whose crossing Ville's inequality bounds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

SHARE_PRIOR = (0.5, 5.0)
"""Beta(a, b) over which the likelihood of a share is mixed: most weight on small shares, as failures are."""


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, both possible."""

    low: float
    high: float


def bound_share(count: int, size: int, alpha: float) -> Interval:
    """Where a probability lies of which `count` of `size` trials came true; it leaves with at most `alpha`, ever.

    Exact: the shares against which the beta-binomial mixture has not yet `1 / alpha` times the likelihood
    (Robbins 1970; Howard, Ramdas et al. 2021).

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
    """Where the candidate's share minus the champion's lies, both as (count, size)."""
    ours, theirs = bound_share(*candidate, alpha / 2), bound_share(*champion, alpha / 2)
    return Interval(ours.low - theirs.high, ours.high - theirs.low)


def bound_mean(estimate: float, standard_error: float, effect: float, alpha: float) -> Interval:
    """Where the mean lies that was estimated, for many samples; tightest when it is `effect` away from the null.

    The mixture sequential probability ratio test turned round: normal means, mixed over N(0, effect²)
    (Robbins 1970; Johari et al. 2017, "Peeking at A/B tests").
    """
    if standard_error == 0 or effect == 0:
        half = math.inf if standard_error else 0.0
    else:
        ratio = (effect / standard_error) ** 2
        half = standard_error * math.sqrt((1 + 1 / ratio) * (math.log1p(ratio) + 2 * math.log(1 / alpha)))
    return Interval(estimate - half, estimate + half)


def bound_distribution(size: int, alpha: float) -> float:
    """How far an empirical distribution function may be from the true one anywhere, at all sizes together.

    Howard & Ramdas 2022, "Sequential estimation of quantiles", equation 4.
    """
    if size == 0:
        return 1.0
    return 0.85 * math.sqrt((math.log(1 + math.log(size)) + 0.8 * math.log(1612 / alpha)) / size)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_likelihood(count: int, size: int, share: float) -> float:
    return count * math.log(share) + (size - count) * math.log1p(-share)


def _bisect(refuted: float, possible: float, is_refuted: Callable[[float], bool]) -> float:
    """The border between a share that is refuted and one that is not, 0 and 1 being refuted."""
    for _ in range(50):
        middle = (refuted + possible) / 2
        refuted, possible = (middle, possible) if is_refuted(middle) else (refuted, middle)
    return possible
