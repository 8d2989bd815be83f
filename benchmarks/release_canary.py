"""Does the canary tell good candidates from bad ones? Seeded traffic goes through the real decision, step by step.

Each trial draws a champion and a candidate, request by request: failures, latencies, and errors by label. Flushes and
split are those that a canary has. The candidate is looked at after every flush, as the trigger does, with the default
limits and steps of `model.yaml`. `python -m benchmarks.release_canary` prints how trials end.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.figures import print_figures, read_small
from cyclone.checks.verdicts import Measurement
from cyclone.sections import ReleaseRules
from releasing.canary_judgement import SideBySide, judge_comparisons
from releasing.canary_steps import decide_step

KEYS = ("canary_bad_rolled_back_share", "canary_good_promoted_share")
TRIALS, SMALL_TRIALS = 100, 2
REQUESTS_A_SECOND = 100.0
FLUSH_SECONDS = 1.0
FAILURE_SHARE = 0.01
LATENCY_MS, LATENCY_SIGMA = 20.0, 0.5
"""The median and the width of a lognormal latency: most requests are near the median, some are several times slower."""
ERROR_SHAPE = 1.0
"""The shape of the gamma distribution of absolute errors. 1 makes it exponential: deviation and mean are the same."""


@dataclass(frozen=True)
class Candidate:
    """How much worse than the champion: the failures added, and the factors of latency and error."""

    title: str
    is_good: bool
    more_failures: float = 0.0
    slower: float = 1.0
    worse: float = 1.0


CANDIDATES = (
    Candidate("equal", True),
    Candidate("5 % more failures", False, more_failures=0.05),
    Candidate("doubled latency", False, slower=2.0),
    Candidate("30 % higher error", False, worse=1.3),
)


class Side:
    """What one revision has answered in a step so far."""

    def __init__(self, generator: np.random.Generator, candidate: Candidate) -> None:
        self._draw, self._is = generator, candidate
        self.requests = self.failures = 0
        self.flushes: list[tuple[int, float]] = []
        self.error_sum = self.error_squares = 0.0

    def serve(self, requests: int) -> None:
        """Draw the answers to so many requests."""
        if not requests:
            return
        latency = self._draw.lognormal(math.log(LATENCY_MS * self._is.slower), LATENCY_SIGMA, requests)
        error = self._draw.gamma(ERROR_SHAPE, 10.0 * self._is.worse / ERROR_SHAPE, requests)
        self.requests += requests
        self.failures += int(self._draw.binomial(requests, FAILURE_SHARE + self._is.more_failures))
        self.flushes.append((requests, float(latency.sum())))
        self.error_sum += float(error.sum())
        self.error_squares += float((error**2).sum())

    def measure(self, subject: str) -> dict[str, Measurement]:
        """What `sql/checks/canary/*.sql` would say. No instance vanishes, no row is lost, and predictions are alike."""
        if not self.requests:
            return {name: Measurement(subject, None, None, 0) for name in ("failure_share", "latency_mean_ms", "error")}
        n = self.requests
        mean = sum(total for _, total in self.flushes) / n
        flushes = len(self.flushes)
        squares = sum((total - mean * count) ** 2 for count, total in self.flushes)
        latency_error = math.sqrt(squares * flushes / (flushes - 1)) / n if flushes >= 10 else None
        error = self.error_sum / n
        variance = (self.error_squares - n * error**2) / (n - 1) if n > 1 else 0.0
        return {
            "failure_share": Measurement(subject, self.failures / n, None, n),
            "latency_mean_ms": Measurement(subject, mean, latency_error, n),
            "error": Measurement(subject, error, math.sqrt(variance / n), n),
        }


def compare(candidate: Side, champion: Side) -> dict[str, SideBySide]:
    """The measurements of candidate and champion side by side, under the names of the canary's checks."""
    ours, theirs = candidate.measure("candidate"), champion.measure("champion")
    still = {
        "vanished_instances": SideBySide(Measurement("candidate", 0, None, 1), Measurement("champion", 0, None, 1)),
        "prediction_shift": SideBySide(Measurement("candidate", None, None, 0), Measurement("champion", None, None, 0)),
        "lost_share": SideBySide(Measurement("candidate", 0.0, None, 1), Measurement("champion", 0.0, None, 1)),
    }
    return {name: SideBySide(ours[name], theirs[name]) for name in ours} | still


def run_step(
    rules: ReleaseRules, candidate: Candidate, percent: int, generator: np.random.Generator
) -> tuple[bool, str]:
    """Run one step to its end. Return whether the release goes on, and the verdict."""
    sides = Side(generator, candidate), Side(generator, CANDIDATES[0])
    seconds = 0.0
    while True:
        seconds += FLUSH_SECONDS
        requests = int(generator.poisson(REQUESTS_A_SECOND * FLUSH_SECONDS))
        share = int(generator.binomial(requests, percent / 100))
        sides[0].serve(share)
        sides[1].serve(requests - share)
        verdict = judge_comparisons(rules, compare(*sides))
        end = decide_step(verdict, rules, timedelta(seconds=seconds))
        if end.goes_on is not None:
            return end.goes_on, verdict.verdict


def run_trial(rules: ReleaseRules, candidate: Candidate, seed: int) -> str:
    """Run one canary, and return how it ended: `promoted`, `condemned` or `time over`.

    `time over` is a candidate that was rolled back because its verdict was still not sure.
    """
    generator = np.random.default_rng(seed)
    for percent in rules.steps[:-1]:
        goes_on, verdict = run_step(rules, candidate, percent, generator)
        if not goes_on:
            return "condemned" if verdict == "failed" else "time over"
    return "promoted"


def run_trials(candidate: Candidate, seeds: Sequence[int]) -> Counter[str]:
    """How the trials of one candidate end, under the default rules."""
    return Counter(run_trial(ReleaseRules(), candidate, seed) for seed in seeds)


def measure_shares(trials: int) -> dict[str, float]:
    """Run all trials and print how they ended."""
    title = f"{trials} seeded canaries each"
    table = Table("candidate", "promoted", "condemned", "rolled back, time over", title=title)
    ends = {candidate: run_trials(candidate, range(trials)) for candidate in CANDIDATES}
    for candidate, counts in ends.items():
        table.add_row(candidate.title, *(str(counts[end]) for end in ("promoted", "condemned", "time over")))
    Console().print(table)
    return {
        "canary_bad_rolled_back_share": min(
            1 - counts["promoted"] / trials for candidate, counts in ends.items() if not candidate.is_good
        ),
        "canary_good_promoted_share": min(
            counts["promoted"] / trials for candidate, counts in ends.items() if candidate.is_good
        ),
    }


if __name__ == "__main__":
    small = read_small(__doc__)
    print_figures(measure_shares(SMALL_TRIALS if small else TRIALS), KEYS, is_small=small)
