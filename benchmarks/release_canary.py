"""Does the canary tell good candidates from bad ones? Seeded traffic goes through the real decision, step by step.

Each trial draws a champion and a candidate in one of the worlds of `benchmarks/canary_worlds.py`. The candidate is
looked at after every moment, with the default limits and steps of `model.yaml`. `python -m benchmarks.release_canary`
prints how trials end.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.canary_worlds import (
    CANDIDATES,
    DEPENDENT,
    INDEPENDENT,
    CanaryWorld,
    Drawn,
    SimulatedCandidate,
    Told,
    Traffic,
)
from benchmarks.figures import print_figures, read_small
from cyclone.sections import ReleaseRules
from releasing.canary_judgement import judge_comparisons
from releasing.canary_measures import find_moment_seconds
from releasing.canary_steps import decide_step

KEYS = (
    "canary_bad_rolled_back_share",
    "canary_good_promoted_share",
    "canary_good_condemned_share",
    "canary_dependent_bad_rolled_back_share",
    "canary_dependent_good_promoted_share",
    "canary_dependent_good_condemned_share",
)
TRIALS, SMALL_TRIALS = 100, 2
ENDS = ("promoted", "condemned", "time over")
Ends = dict[tuple[CanaryWorld, SimulatedCandidate], Counter[str]]


def run_step(rules: ReleaseRules, traffic: Traffic, begin: int, percent: int) -> tuple[bool, str, int]:
    """Run one step that begins at a second. Return whether the release goes on, the verdict, and the last second."""
    told, waiting, moment = Told(), list[Drawn](), round(find_moment_seconds(rules))
    second = begin
    while True:
        waiting.append(traffic.draw(second, moment, percent))
        second += moment
        if traffic.is_store_away(second):
            continue
        told.add(waiting)
        waiting = []
        verdict = judge_comparisons(rules, told.compare(second))
        end = decide_step(verdict, rules, timedelta(seconds=second - begin))
        if end.goes_on is not None:
            return end.goes_on, verdict.verdict, second


def run_trial(rules: ReleaseRules, world: CanaryWorld, candidate: SimulatedCandidate, seed: int) -> str:
    """Run one canary, and return how it ended: `promoted`, `condemned` or `time over`.

    `time over` is a candidate that was rolled back because its verdict was still not sure.
    """
    steps = rules.steps[:-1]
    longest = (len(steps) + 1) * round(rules.deadline_minutes * 60) + world.outage_seconds
    traffic, second = Traffic(world, candidate, np.random.default_rng(seed), longest), 0
    for percent in steps:
        goes_on, verdict, second = run_step(rules, traffic, second, percent)
        if not goes_on:
            return "condemned" if verdict == "failed" else "time over"
    return "promoted"


def run_trials(world: CanaryWorld, candidate: SimulatedCandidate, seeds: Sequence[int]) -> Counter[str]:
    """How the trials of one candidate end in a world, under the default rules."""
    return Counter(run_trial(ReleaseRules(), world, candidate, seed) for seed in seeds)


def measure_shares(trials: int) -> dict[str, float]:
    """Run all trials and print how they ended."""
    table = Table("world", "candidate", *ENDS, title=f"{trials} seeded canaries each")
    ends: Ends = {}
    for world in (INDEPENDENT, *DEPENDENT):
        for candidate in CANDIDATES:
            counts = ends[world, candidate] = run_trials(world, candidate, range(trials))
            table.add_row(world.title, candidate.title, *(str(counts[end]) for end in ENDS))
    Console().print(table)
    alone = {key: counts for key, counts in ends.items() if key[0] == INDEPENDENT}
    alike = {key: counts for key, counts in ends.items() if key[0] != INDEPENDENT}
    return _share(alone, trials, "canary") | _share(alike, trials, "canary_dependent")


def _share(ends: Ends, trials: int, name: str) -> dict[str, float]:
    """The worst shares over worlds and candidates."""
    good = [counts for (_, candidate), counts in ends.items() if candidate.is_good]
    bad = [counts for (_, candidate), counts in ends.items() if not candidate.is_good]
    return {
        f"{name}_bad_rolled_back_share": min(1 - counts["promoted"] / trials for counts in bad),
        f"{name}_good_promoted_share": min(counts["promoted"] / trials for counts in good),
        f"{name}_good_condemned_share": max(counts["condemned"] / trials for counts in good),
    }


if __name__ == "__main__":
    small = read_small(__doc__)
    print_figures(measure_shares(SMALL_TRIALS if small else TRIALS), KEYS, is_small=small)
