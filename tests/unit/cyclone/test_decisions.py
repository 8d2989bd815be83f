from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cyclone.checks import CheckResult
from cyclone.decisions import Decision, decide, format_number
from cyclone.spec import Check, ModelSpec, Monitor, Retrain

NOW = datetime(2011, 3, 8, tzinfo=UTC)
ERROR = CheckResult(
    kind="error",
    check_name="mean_absolute_error",
    subject="all",
    version=1,
    value=61.2,
    standard_error=2.0,
    sample_size=168,
    limit=36.15,
    verdict="failed",
    window_start=NOW - timedelta(days=7),
    window_end=NOW,
)
DRIFT = replace(ERROR, kind="drift", check_name="population_stability", subject="wind", value=0.345, limit=0.2)
SERVICE = replace(ERROR, kind="service", check_name="failure_share", value=0.5, limit=0.01)
SENTENCE = "mean_absolute_error 61.2 over 7 days on 168 rows is above 1.5 × the accepted 24.1 = 36.1"


@pytest.fixture
def spec(bike_demand: ModelSpec) -> ModelSpec:
    monitor = Monitor(error={"mean_absolute_error": Check(limit=1.5)})
    return bike_demand.model_copy(update={"monitor": monitor, "retrain": Retrain(cooldown_days=7)})


def test_a_failed_error_check_asks_for_a_retraining_in_a_sentence(spec: ModelSpec) -> None:
    assert decide(spec, [ERROR, DRIFT], None, NOW) == Decision(True, SENTENCE)


def test_drift_and_service_failures_start_nothing_by_default(spec: ModelSpec) -> None:
    results = [DRIFT, SERVICE, replace(ERROR, verdict="passed")]
    assert decide(spec, results, None, NOW) == Decision(
        False, "no retraining: no error check failed (1 passed, 0 without enough data)"
    )


def test_no_data_starts_nothing(spec: ModelSpec) -> None:
    results = [replace(ERROR, value=None, verdict="no_data")]
    assert decide(spec, results, None, NOW) == Decision(
        False, "no retraining: no error check failed (0 passed, 1 without enough data)"
    )
    assert decide(spec, [], None, NOW) == Decision(False, "no retraining: no error check has a verdict")


def test_what_may_start_a_retraining_is_configuration(spec: ModelSpec) -> None:
    eager = spec.model_copy(update={"retrain": Retrain(triggered_by=("drift", "error"))})
    decision = decide(eager, [DRIFT, ERROR], None, NOW)
    assert decision == Decision(
        True, f"population_stability of wind 0.345 over 7 days on 168 rows is above 0.2; {SENTENCE}"
    )


def test_within_the_cooldown_nothing_starts(spec: ModelSpec) -> None:
    decision = decide(spec, [ERROR], NOW - timedelta(days=2), NOW)
    assert decision == Decision(
        False,
        f"no retraining, although {SENTENCE}: the last one ended 2.0 days ago, within the cooldown of 7 days",
    )


def test_the_cooldown_is_over_on_the_dot(spec: ModelSpec) -> None:
    assert decide(spec, [ERROR], NOW - timedelta(days=7), NOW).should_retrain


@pytest.mark.parametrize(
    ("value", "text"), [(61.234, "61.2"), (0.00123, "0.00123"), (12345.6, "12,346"), (None, "unknown")]
)
def test_numbers_read_well(value: float | None, text: str) -> None:
    assert format_number(value) == text
