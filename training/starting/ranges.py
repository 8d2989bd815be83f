"""Ranges with room: what a number may become that was seen only within bounds."""

import math
from collections.abc import Sequence

FEATURE_ROOM = 1.0
"""A feature may go so many of its spans beyond what was seen. More is most likely another unit or a mistake."""
LABEL_ROOM = 10.0
"""A label may go farther, for its range only refuses what cannot be true."""
SHARE_FROM = 0.5
"""Numbers of 0 to 1 that reach so far are taken for shares, which never leave 0 to 1."""


def widen(low: float, high: float, *, is_integer: bool) -> list[float]:
    """The range of a feature that was seen from `low` to `high`."""
    if not is_integer and low >= 0 and SHARE_FROM <= high <= 1:
        return [0, 1]
    return _widen(low, high, FEATURE_ROOM, is_integer)


def widen_label(low: float, high: float, *, is_integer: bool) -> list[float]:
    """The range of a label that was seen from `low` to `high`."""
    return _widen(low, high, LABEL_ROOM, is_integer)


def _widen(low: float, high: float, room: float, is_integer: bool) -> list[float]:
    span = (high - low) or 1.0
    lower, upper = round_out(low - room * span, up=False), round_out(high + room * span, up=True)
    # What was never below zero seldom gets there: a count, a price, a length.
    bounds: Sequence[float] = (0 if low >= 0 else lower, 0 if high <= 0 else upper)
    if is_integer and max(map(abs, bounds)) > 2**53:
        bounds = (low, high)
    return [int(bound) if float(bound).is_integer() and abs(bound) < 2**53 else bound for bound in bounds]


def round_out(value: float, *, up: bool) -> float:
    """A number of two digits that is not below the value, or with `up=False` not above it.

    >>> round_out(1234, up=True), round_out(-0.0123, up=False)
    (1300.0, -0.013)
    """
    if value == 0:
        return 0.0
    digits = 1 - math.floor(math.log10(abs(value)))
    scaled = value * 10.0**digits
    return round((math.ceil(scaled) if up else math.floor(scaled)) / 10.0**digits, max(0, digits))
