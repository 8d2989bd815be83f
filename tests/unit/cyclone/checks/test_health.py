from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cyclone.checks.health import Health, check_kinds, judge_health
from cyclone.checks.verdicts import CheckResult
from cyclone.errors import ConfigurationError
from cyclone.sections import CheckKind

NOW = datetime(2011, 3, 8, 12, 30, tzinfo=UTC)
ERROR = CheckResult(
    kind="error",
    check_name="mean_absolute_error",
    subject="all",
    version=1,
    value=20.0,
    standard_error=2.0,
    sample_size=168,
    limit=36.15,
    verdict="passed",
    window_start=NOW.replace(minute=0) - timedelta(days=7),
    window_end=NOW.replace(minute=0),
)
SERVICE = replace(ERROR, kind="service", check_name="failure_share")
HOUR = timedelta(hours=1)


def test_a_model_is_healthy_when_every_kind_has_fresh_verdicts_that_passed() -> None:
    health = judge_health([ERROR, SERVICE], ["error", "service"], HOUR, NOW)
    assert health == Health(True, "all 2 verdicts passed", (ERROR, SERVICE))


@pytest.mark.parametrize("verdict", ["failed", "no_data"])
def test_neither_a_failed_check_nor_one_without_data_is_healthy(verdict: str) -> None:
    bad = replace(ERROR, verdict=verdict)  # type: ignore[arg-type]
    health = judge_health([bad, SERVICE], ["error", "service"], HOUR, NOW)
    assert not health.is_healthy
    assert health.reason == f"mean_absolute_error of all is {verdict}"


def test_a_kind_without_a_verdict_is_not_healthy() -> None:
    health = judge_health([ERROR], ["error", "drift"], HOUR, NOW)
    assert (health.is_healthy, health.reason) == (False, "no drift check has a verdict")


@pytest.mark.parametrize(("kind", "step"), [("error", timedelta(days=1)), ("service", timedelta(hours=1))])
def test_a_verdict_ages_from_when_the_next_one_could_have_been_there(kind: CheckKind, step: timedelta) -> None:
    minute = timedelta(minutes=1)
    ages = {extra: replace(ERROR, kind=kind, window_end=NOW - step - HOUR - extra) for extra in (-minute, minute)}
    healthy = {extra: judge_health([old], [kind], HOUR, NOW).is_healthy for extra, old in ages.items()}
    assert healthy == {-minute: True, minute: False}
    reason = judge_health([ages[minute]], [kind], HOUR, NOW).reason
    assert reason == f"the newest {kind} verdict is of {ages[minute].window_end:%Y-%m-%d %H:%M} UTC: older than 1:00:00"


@pytest.mark.parametrize("kinds", [["error", "drfit"], []])
def test_a_kind_that_does_not_exist_is_refused_with_those_that_do(kinds: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"one or more of drift, error are allowed"):
        check_kinds(kinds, ["drift", "error"])
