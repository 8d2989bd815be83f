from datetime import UTC, datetime, timedelta

import pytest

from cyclone.checks.verdicts import CheckResult
from cyclone.policy.decisions import Decision, describe_failed_check
from cyclone.sections import CheckRules, Monitor
from cyclone.spec import ModelSpec
from cyclone.wording import format_number

NOW = datetime(2011, 3, 8, tzinfo=UTC)


def test_a_failed_error_check_is_told_as_a_multiple_of_the_accepted_error(bike_demand: ModelSpec) -> None:
    spec = bike_demand.model_copy(update={"monitor": Monitor(error={"mean_absolute_error": CheckRules(limit=1.5)})})
    start = NOW - timedelta(days=7)
    failed = CheckResult("error", "mean_absolute_error", "all", 1, 61.2, 2.0, 168, 36.15, "failed", start, NOW)
    words = "mean_absolute_error 61.2 over 7 days on 168 rows is above 1.5 × the accepted 24.1 = 36.1"
    assert describe_failed_check(spec, failed) == words


def test_only_a_decision_to_retrain_retrains_and_only_one_to_hold_needs_a_person() -> None:
    told = [
        (Decision(action, "").should_retrain, Decision(action, "").needs_person)
        for action in ("retrain", "wait", "hold")
    ]
    assert told == [(True, False), (False, False), (False, True)]


@pytest.mark.parametrize(
    ("value", "text"), [(61.234, "61.2"), (0.00123, "0.00123"), (12345.6, "12,346"), (None, "unknown")]
)
def test_numbers_read_well(value: float | None, text: str) -> None:
    assert format_number(value) == text
