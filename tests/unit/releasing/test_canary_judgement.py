from collections.abc import Mapping

import pytest

from benchmarks.canary_worlds import CANDIDATES, DEPENDENT, INDEPENDENT, CanaryWorld, SimulatedCandidate
from benchmarks.release_canary import run_trials
from cyclone.checks.verdicts import Measurement
from cyclone.sections import ReleaseRules
from releasing.canary_judgement import judge_comparisons
from releasing.canary_measures import Moment, SideBySide, add_up

RULES = ReleaseRules(requests_per_step=20, failure_share_limit=0.02, latency_ratio_limit=1.4, error_ratio_limit=1.15)


def compare(candidate: tuple[float | None, int], champion: tuple[float | None, int]) -> SideBySide:
    """Both sides as (value, samples)."""
    sides = [
        Measurement(name, side[0], None, side[1]) for name, side in (("candidate", candidate), ("champion", champion))
    ]
    return SideBySide(sides[0], sides[1])


def spread(candidate: tuple[float, float, int], champion: tuple[float, float, int], moments: int = 10) -> SideBySide:
    """Moments of both sides as (mean, deviation between moments, samples in all). Half are above the mean."""
    return add_up(
        [
            Moment(
                (candidate[0] + candidate[1] * (-1) ** number) * (candidate[2] // moments),
                candidate[2] // moments,
                (champion[0] + champion[1] * (-1) ** (number // 2)) * (champion[2] // moments),
                champion[2] // moments,
            )
            for number in range(moments)
        ]
    )


GOOD: Mapping[str, SideBySide] = {
    "failure_share": spread((0.0, 0.0, 1000), (0.0, 0.0, 9000)),
    "vanished_instances": compare((0.0, 100), (0.0, 200)),
    "latency_mean_ms": spread((20.0, 1.5, 1000), (20.0, 0.3, 9000)),
    "error": spread((10.0, 0.3, 900), (10.0, 0.3, 8000)),
    "prediction_shift": compare((0.1, 1000), (0.0, 9000)),
    "lost_share": compare((0.0, 1000), (0.0, 9000)),
}


def judge(**changed: SideBySide) -> tuple[str, str]:
    verdict = judge_comparisons(RULES, {**GOOD, **changed})
    return verdict.verdict, verdict.reason


def test_a_candidate_like_the_champion_passes_with_all_its_numbers() -> None:
    verdict = judge_comparisons(RULES, GOOD)
    assert verdict.verdict == "passed"
    assert verdict.reason.startswith(
        "1000 requests. Failed requests: 0 of 1,000 requests, the champion 0 of 9,000, a difference between"
    )
    assert "Error: 10 on 900 labelled rows, the champion 10.1 on 8,000 (allowed 11.6" in verdict.reason
    assert verdict.numbers["candidate_latency_mean_ms"] == 20.0
    assert verdict.numbers["champion_error_samples"] == 8000


@pytest.mark.parametrize(
    ("changed", "verdict", "words"),
    [
        ({"failure_share": spread((0.06, 0.0, 2000), (0.01, 0.0, 9000))}, "failed", "failed requests"),
        ({"failure_share": spread((0.05, 0.0, 200), (0.01, 0.0, 9000))}, "inconclusive", "failed requests"),
        ({"failure_share": spread((0.06, 0.06, 2000), (0.01, 0.0, 9000))}, "inconclusive", "failed requests"),
        ({"failure_share": spread((0.9, 0.0, 4000), (0.0, 0.0, 9000), 4)}, "inconclusive", "too few moments"),
        ({"vanished_instances": compare((2.0, 60), (0.0, 300))}, "inconclusive", "vanished: 2 times in 60 s"),
        ({"vanished_instances": compare((5.0, 60), (0.0, 300))}, "failed", "instances that vanished: 5 times"),
        ({"vanished_instances": compare((5.0, 600), (0.0, 300))}, "inconclusive", "instances that vanished: 5 times"),
        ({"vanished_instances": compare((3.0, 100), (2.0, 100))}, "passed", ""),
        ({"latency_mean_ms": spread((40.0, 0.5, 1000), (20.0, 0.1, 9000))}, "failed", "mean latency in ms: 40"),
        ({"latency_mean_ms": spread((40.0, 30.0, 1000), (20.0, 0.1, 9000))}, "inconclusive", "mean latency in ms: 40"),
        ({"latency_mean_ms": spread((2.2, 0.01, 1000), (0.5, 0.01, 9000))}, "passed", ""),
        ({"latency_mean_ms": spread((40.0, 0.5, 10), (20.0, 0.1, 9000))}, "inconclusive", "too few to compare"),
        ({"latency_mean_ms": spread((40.0, 0.5, 900), (20.0, 0.1, 900), 2)}, "inconclusive", "not known yet from 2"),
        ({"error": spread((13.0, 0.2, 900), (10.0, 0.1, 8000))}, "failed", "error: 13 on 900 labelled rows"),
        ({"error": spread((13.0, 9.0, 900), (10.0, 0.1, 8000))}, "inconclusive", "error: 13"),
        ({"error": spread((13.0, 2.0, 10), (10.0, 0.1, 8000))}, "passed", ""),
        ({"error": spread((0.0, 0.0, 0), (0.0, 0.0, 0))}, "passed", "too few to compare"),
        ({"error": spread((0.0, 0.0, 900), (0.0, 0.0, 8000))}, "passed", ""),
        ({"prediction_shift": compare((0.9, 1000), (0.0, 9000))}, "failed", "distribution of predictions"),
        ({"prediction_shift": compare((0.9, 40), (0.0, 9000))}, "passed", ""),
        ({"lost_share": compare((0.2, 1000), (0.0, 9000))}, "inconclusive", "lost rows: 200 of 1,000"),
        ({"lost_share": compare((0.03, 100), (0.0, 9000))}, "passed", ""),
        ({"failure_share": spread((0.0, 0.0, 10), (0.0, 0.0, 9000))}, "inconclusive", "10 of the 20 requests"),
        ({"failure_share": spread((0.0, 0.0, 1000), (0.0, 0.0, 0))}, "inconclusive", "the champion 0 of 0"),
    ],
)
def test_each_rule_condemns_holds_or_lets_pass(changed: dict[str, SideBySide], verdict: str, words: str) -> None:
    got, reason = judge(**changed)
    assert got == verdict
    assert words in reason


@pytest.mark.parametrize("world", [INDEPENDENT, *DEPENDENT], ids=lambda world: world.title)
def test_an_equal_candidate_is_condemned_in_no_world(world: CanaryWorld) -> None:
    """Of 10 canaries with a share of 5 % condemned, 2 or more would be in 9 %. The seeds are fixed."""
    assert run_trials(world, CANDIDATES[0], range(10))["condemned"] == 0


@pytest.mark.parametrize("candidate", CANDIDATES[1:], ids=lambda candidate: candidate.title)
@pytest.mark.parametrize("world", [INDEPENDENT, *DEPENDENT], ids=lambda world: world.title)
def test_a_harmful_candidate_is_promoted_in_no_world(world: CanaryWorld, candidate: SimulatedCandidate) -> None:
    assert run_trials(world, candidate, range(2))["promoted"] == 0
