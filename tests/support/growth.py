"""How many times as long something takes for a text that is four times as long.

What goes straight through a text takes four times as long, what backtracks sixteen times.
"""

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations, product

LENGTHS = (1024, 4096, 16384, 65536)
STEEP = 8
"""For four times the length: in proportion it is 4, what backtracks takes 16 times as long."""
SLOWEST = 3
"""So many texts are measured at doubling lengths."""
ATTEMPTS = 6
"""A busy machine gets more of them. What backtracks passes none."""
LONG_SECONDS = 0.2
"""What takes so long is tried with no longer text: four times the length would take seconds where it backtracks."""
SHORT, HOPELESS_SECONDS = (24, 28, 256, 4096), 0.5
"""What takes so long for so short a text is not measured further."""
FLOOR_SECONDS = 0.002
"""Below it a clock tells nothing. What backtracks takes a second at the longest length."""

Text = Callable[[int], str]
"""Of a length: about as many characters."""


@dataclass(frozen=True)
class Repeated:
    """A text of a beginning, tokens again and again, and an end."""

    beginning: str
    tokens: str
    end: str

    def __call__(self, length: int) -> str:
        return self.beginning + self.tokens * (length // len(self.tokens)) + self.end

    def __repr__(self) -> str:
        return f"<{self.beginning[:20]!r}…, {self.tokens!r} again and again, {self.end!r}>"


def build_texts(tokens: Iterable[str], beginnings: Iterable[str], ends: Iterable[str]) -> list[Repeated]:
    """Each token again and again, behind each beginning and before each end. Alone, each pair of tokens as well."""
    tokens = tuple(tokens)
    singles = [Repeated(*parts) for parts in product(("", *beginnings), tokens, ("", *ends))]
    return singles + [Repeated("", "".join(pair), "") for pair in permutations(tokens, 2)]


def measure_seconds(run: Callable[[str], object], text: str) -> float:
    """CPU time: what others do on this machine counts little. What other tests left in memory is not gone through."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        began = time.thread_time()
        run(text)
        return time.thread_time() - began
    finally:
        if was_enabled:
            gc.enable()


def find_growth(run: Callable[[str], object], text: Text) -> float:
    """How many times as long it takes for a text four times as long. The least of some attempts."""
    contents = [text(length) for length in LENGTHS]
    least = [float("inf")] * len(contents)
    for _ in range(ATTEMPTS):
        for place, content in enumerate(contents):
            least[place] = min(least[place], measure_seconds(run, content))
            if place and least[place] > LONG_SECONDS:
                break
        known = [seconds for seconds in least if seconds < float("inf")]
        growth = max(long / max(short, FLOOR_SECONDS) for short, long in pairwise(known))
        if growth < STEEP:
            break
    return growth


def find_steep(run: Callable[[str], object], texts: Sequence[Text]) -> dict[Text, float]:
    """The first text that takes more than twice what is in proportion to its length, and how many times as long."""
    for length in SHORT:
        seconds = {}
        for text in texts:
            seconds[text] = measure_seconds(run, text(length))
            if seconds[text] > HOPELESS_SECONDS < measure_seconds(run, text(length)):  # the first may have imported
                return {text: float("inf")}
    for text in sorted(texts, key=seconds.__getitem__, reverse=True)[:SLOWEST]:
        growth = find_growth(run, text)
        if growth >= STEEP:
            return {text: round(growth, 1)}
    return {}
