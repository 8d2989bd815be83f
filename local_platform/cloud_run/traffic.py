"""Which revision gets the next request."""

import random
from collections.abc import Iterator, Mapping
from functools import reduce
from math import gcd


class Split:
    """Spreads requests over revisions by percent, exactly in every block and in random order within it.

    A block is as short as the percents allow, so that few requests are close to the split already. 20/80 is exact after
    every 5. The order is drawn anew for each block. With a fixed rotation, clients that alternate between two kinds of
    requests would send one kind to one revision.

    >>> split = Split({"old": 80, "new": 20}, random.Random(1))
    >>> sorted(split.choose() for _ in range(5))
    ['new', 'old', 'old', 'old', 'old']
    """

    def __init__(self, percents: Mapping[str, int], source: random.Random):
        self._block = build_block(percents)
        self._source = source
        self._left: Iterator[str] = iter(())

    def choose(self) -> str | None:
        """The revision for the next request. None when no revision has traffic."""
        if not self._block:
            return None
        chosen = next(self._left, None)
        if chosen is None:
            self._left = iter(self._source.sample(self._block, len(self._block)))
            chosen = next(self._left)
        return chosen


class RandomSplit:
    """Spreads requests over revisions by percent at random, as Google does: few requests may be far from the split."""

    def __init__(self, percents: Mapping[str, int], source: random.Random):
        self._percents = {revision: percent for revision, percent in percents.items() if percent > 0}
        self._source = source

    def choose(self) -> str | None:
        """The revision for the next request. None when no revision has traffic."""
        if not self._percents:
            return None
        return self._source.choices(list(self._percents), list(self._percents.values()))[0]


def build_block(percents: Mapping[str, int]) -> list[str]:
    """The shortest list of revisions in which each has its share."""
    shares = {revision: percent for revision, percent in percents.items() if percent > 0}
    divisor = reduce(gcd, shares.values(), 0)
    return [revision for revision, percent in shares.items() for _ in range(percent // divisor)]
