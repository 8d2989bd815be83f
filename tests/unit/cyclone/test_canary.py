from dataclasses import replace

import pytest

from cyclone.canary import Comparison, judge_comparison
from cyclone.measurements import Measurement
from cyclone.spec import Release

RELEASE = Release(requests_per_step=20, failure_share_limit=0.1, latency_ratio_limit=3.0, error_ratio_limit=1.5)
FAILURES = Comparison(Measurement("candidate", 0.0, None, 20), Measurement("champion", 0.0, None, 100))
LATENCY = Comparison(Measurement("candidate", 4.0, None, 20), Measurement("champion", 3.0, None, 100))
ERROR = Comparison(Measurement("candidate", 11.0, 1.0, 40), Measurement("champion", 10.0, 1.0, 200))


def with_candidate(comparison: Comparison, value: float | None, samples: int) -> Comparison:
    candidate = replace(comparison.candidate, value=value, sample_size=samples)
    return replace(comparison, candidate=candidate)


def test_a_candidate_like_the_champion_passes_with_its_numbers() -> None:
    assert judge_comparison(RELEASE, FAILURES, LATENCY, ERROR) == (
        "passed",
        "20 requests, 0.00% failed, mean latency 4 ms (champion 3 ms), errors compared",
    )


@pytest.mark.parametrize(
    ("share", "requests", "verdict"),
    [(0.1, 20, "passed"), (0.15, 20, "failed"), (1.0, 2, "no_data"), (1.0, 3, "failed"), (0.0, 19, "no_data")],
)
def test_failures_condemn_as_soon_as_the_rest_of_the_step_cannot_mend_them(
    share: float, requests: int, verdict: str
) -> None:
    failures = with_candidate(FAILURES, share, requests)
    assert judge_comparison(RELEASE, failures, LATENCY, ERROR)[0] == verdict


@pytest.mark.parametrize(("mean_ms", "verdict"), [(8.9, "passed"), (9.1, "failed")])
def test_latency_is_compared_by_ratio(mean_ms: float, verdict: str) -> None:
    assert judge_comparison(RELEASE, FAILURES, with_candidate(LATENCY, mean_ms, 20), ERROR)[0] == verdict


def test_an_error_above_the_limit_within_chance_passes() -> None:
    """Noise is 1.645 × hypot(1, 1.5 × 1) = 2.97, so the limit of 15 condemns from 17.97 on."""
    assert judge_comparison(RELEASE, FAILURES, LATENCY, with_candidate(ERROR, 17.9, 40))[0] == "passed"
    verdict, reason = judge_comparison(RELEASE, FAILURES, LATENCY, with_candidate(ERROR, 18.0, 40))
    assert (verdict, reason) == (
        "failed",
        "the candidate's error 18 on 40 labelled rows is above 1.5 × the champion's 10 on 200, beyond chance",
    )
