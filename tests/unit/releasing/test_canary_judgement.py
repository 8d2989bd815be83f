from collections.abc import Mapping

import pytest

from cyclone.checks.verdicts import Measurement
from cyclone.sections import ReleaseRules
from releasing.canary_judgement import SideBySide, judge_comparisons

RULES = ReleaseRules(requests_per_step=20, failure_share_limit=0.02, latency_ratio_limit=1.4, error_ratio_limit=1.15)


def compare(
    candidate: tuple[float | None, float | None, int], champion: tuple[float | None, float | None, int]
) -> SideBySide:
    """Both sides as (value, standard error, samples)."""
    return SideBySide(Measurement("candidate", *candidate), Measurement("champion", *champion))


GOOD: Mapping[str, SideBySide] = {
    "failure_share": compare((0.0, None, 1000), (0.0, None, 9000)),
    "vanished_instances": compare((0.0, None, 1), (0.0, None, 2)),
    "latency_mean_ms": compare((20.0, 0.5, 1000), (20.0, 0.1, 9000)),
    "error": compare((10.0, 0.1, 900), (10.0, 0.1, 8000)),
    "prediction_shift": compare((0.1, None, 1000), (0.0, None, 9000)),
    "lost_share": compare((0.0, None, 1000), (0.0, None, 9000)),
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
    assert "Error: 10 on 900 labelled rows, the champion 10 on 8,000 (allowed 11.5" in verdict.reason
    assert verdict.numbers["candidate_latency_mean_ms"] == 20.0
    assert verdict.numbers["champion_error_samples"] == 8000


@pytest.mark.parametrize(
    ("changed", "verdict", "words"),
    [
        ({"failure_share": compare((0.06, None, 2000), (0.01, None, 9000))}, "failed", "failed requests"),
        ({"failure_share": compare((0.05, None, 200), (0.01, None, 9000))}, "inconclusive", "failed requests"),
        ({"vanished_instances": compare((2.0, None, 3), (0.0, None, 2))}, "failed", "instances that vanished: 2 of 3"),
        ({"vanished_instances": compare((3.0, None, 3), (2.0, None, 2))}, "passed", ""),
        ({"latency_mean_ms": compare((40.0, 0.5, 1000), (20.0, 0.1, 9000))}, "failed", "mean latency in ms: 40"),
        ({"latency_mean_ms": compare((40.0, 9.0, 1000), (20.0, 0.1, 9000))}, "inconclusive", "mean latency in ms: 40"),
        ({"latency_mean_ms": compare((2.2, 0.01, 1000), (0.5, 0.01, 9000))}, "passed", ""),
        ({"latency_mean_ms": compare((40.0, 0.5, 19), (20.0, 0.1, 9000))}, "inconclusive", "too few to compare"),
        ({"error": compare((13.0, 0.2, 900), (10.0, 0.1, 8000))}, "failed", "error: 13 on 900 labelled rows"),
        ({"error": compare((13.0, 2.0, 900), (10.0, 0.1, 8000))}, "inconclusive", "error: 13"),
        ({"error": compare((13.0, 2.0, 19), (10.0, 0.1, 8000))}, "passed", ""),
        ({"error": compare((None, None, 0), (None, None, 0))}, "passed", "too few to compare"),
        ({"error": compare((0.0, 0.0, 900), (0.0, 0.0, 8000))}, "passed", ""),
        ({"prediction_shift": compare((0.9, None, 1000), (0.0, None, 9000))}, "failed", "distribution of predictions"),
        ({"prediction_shift": compare((0.9, None, 40), (0.0, None, 9000))}, "passed", ""),
        ({"lost_share": compare((0.2, None, 1000), (0.0, None, 9000))}, "failed", "lost rows: 200 of 1,000"),
        ({"lost_share": compare((0.03, None, 100), (0.0, None, 9000))}, "passed", ""),
        ({"failure_share": compare((0.0, None, 19), (0.0, None, 9000))}, "inconclusive", "19 of the 20 requests"),
        ({"failure_share": compare((0.0, None, 1000), (None, None, 0))}, "inconclusive", "the champion 0 of 0"),
    ],
)
def test_each_rule_condemns_holds_or_lets_pass(changed: dict[str, SideBySide], verdict: str, words: str) -> None:
    got, reason = judge(**changed)
    assert got == verdict
    assert words in reason
