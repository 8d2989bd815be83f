from datetime import timedelta

import pytest

from cyclone.sections import ReleaseRules
from releasing.canary_judgement import CanaryVerdict, CanaryVerdictName
from releasing.canary_steps import StepEnd, decide_step


def verdict(name: CanaryVerdictName, requests: int = 100) -> CanaryVerdict:
    return CanaryVerdict(name, "so it is", {"candidate_failure_share_samples": requests})


RULES = ReleaseRules(requests_per_step=20, seconds_per_step=30, deadline_minutes=2)
GOES_ON = RULES.model_copy(update={"on_deadline": "go_on"})


@pytest.mark.parametrize(
    ("rules", "given", "seconds", "end"),
    [
        (RULES, verdict("passed"), 29, StepEnd(None, "passing, and the step lasts 30 s")),
        (RULES, verdict("passed"), 30, StepEnd(True, "so it is")),
        (RULES, verdict("failed"), 0, StepEnd(False, "so it is")),
        (RULES, verdict("inconclusive"), 120, StepEnd(None, "so it is")),
        (RULES, verdict("inconclusive"), 121, StepEnd(False, "inconclusive after 2 minutes: so it is")),
        (GOES_ON, verdict("inconclusive"), 120, StepEnd(None, "so it is")),
        (GOES_ON, verdict("inconclusive"), 121, StepEnd(True, "inconclusive after 2 minutes: so it is")),
        (GOES_ON, verdict("inconclusive", 19), 9999, StepEnd(None, "inconclusive after 2 minutes: so it is")),
        (GOES_ON, verdict("failed"), 9999, StepEnd(False, "so it is")),
    ],
)
def test_a_step_ends_when_it_is_sure_or_its_time_is_over(
    rules: ReleaseRules, given: CanaryVerdict, seconds: int, end: StepEnd
) -> None:
    assert decide_step(given, rules, timedelta(seconds=seconds)) == end
