"""The section `monitor` of a `model.yaml`: the checks of a model and their limits."""

import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from cyclone.sections.base import Name, Section

CheckKind = Literal["drift", "error", "estimate", "service"]


class CheckRules(Section):
    """The rules of one check: its limit, its window and the samples that it needs.

    For drift and service checks, `limit` is in the unit of the check's value. For error and estimate checks, it is a
    multiple of the accepted error. Without a limit, drift and error checks fail on what is too unlikely to be chance.
    `monitor.alpha` says how unlikely that is.
    """

    limit: float | None = Field(default=None, gt=0)
    window_days: int = Field(default=7, ge=1, le=366)
    minimum_samples: int = Field(default=100, ge=1)


SHARES = frozenset(
    {
        *("failure_share", "log_missing_share", "traffic_drop"),
        *("missing_share", "outside_share", "unknown_share", "kolmogorov_smirnov", "jensen_shannon"),
    }
)
"""Checks whose value is at most 1. A limit of 1 or more could never be exceeded."""


CRON = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
"""The fields of a cron expression in their order, with the lowest and the highest number of each."""


def _is_cron_field(text: str, bounds: tuple[int, int]) -> bool:
    """Whether a text is one field of a cron expression, such as `*`, `5`, `1-5`, `*/10` or `1,15`."""
    for part in text.split(","):
        match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/0*[1-9]\d*)?", part)
        if match is None:
            return False
        numbers = [int(number) for number in match.groups() if number]
        if numbers != sorted(numbers) or not all(bounds[0] <= number <= bounds[1] for number in numbers):
            return False
    return True


class Monitor(Section):
    """The checks of a model, and how often they run. `schedule` is a cron expression of five fields, in UTC."""

    schedule: str = "*/5 * * * *"
    sample_above_rows_per_hour: int = Field(default=100_000, ge=1000)
    """The most rows of an hour whose features are all counted.

    Of an hour with more rows, a half, a quarter or less is counted, chosen by the rows' ids. A larger sample finds
    smaller changes and takes longer to count.
    """
    drift: dict[Name, CheckRules] = Field(
        default={
            "jensen_shannon": CheckRules(minimum_samples=150),
            "wasserstein": CheckRules(minimum_samples=150),
        }
    )
    """By default two checks that complement each other.

    `jensen_shannon` sees any change of shape. `wasserstein` sees sooner that numbers have moved up or down. Both are
    bounded by what the bins hold. In `population_stability` one bin that is empty by chance weighs like a drift.
    150 samples are most of a week of hourly rows.
    """
    error: dict[Name, CheckRules] = Field(default={})
    """The error checks. Empty means the usual ones of the task, `DEFAULT_ERROR_CHECKS`."""
    estimate: dict[Name, CheckRules] = Field(default={"expected_error": CheckRules(limit=1.5)})
    """Estimates of the error before labels are there. A failed one warns and by default starts no retraining."""
    service: dict[Name, CheckRules] = Field(
        default={
            "failure_share": CheckRules(limit=0.01, window_days=1, minimum_samples=20),
            "latency_p95_ms": CheckRules(limit=500, window_days=1, minimum_samples=20),
            "log_missing_share": CheckRules(limit=0.01, window_days=1, minimum_samples=20),
            "traffic_drop": CheckRules(limit=0.9, window_days=1, minimum_samples=20),
        }
    )
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """The false alarm rate of a year that limits are set for.

    It is the chance of a false alarm by any drift check, and by each error check without a limit. A lower rate needs
    larger changes to be seen. docs/monitoring.md says what is assumed, and how far the rate is kept.
    """
    completeness_floor: float = Field(default=0.95, ge=0, le=1)
    """The least share of a window's answered rows in the log. Below it, drift and error checks say `no_data`."""

    @field_validator("estimate", "service")
    @classmethod
    def _need_limits(cls, value: dict[str, CheckRules], info: ValidationInfo) -> dict[str, CheckRules]:
        for name, check in value.items():
            if check.limit is None:
                raise ValueError(f"{info.field_name} check {name!r} needs a limit")
        return value

    @field_validator("drift", "service")
    @classmethod
    def _check_that_they_can_fail(cls, value: dict[str, CheckRules]) -> dict[str, CheckRules]:
        for name, check in value.items():
            if name in SHARES and check.limit is not None and check.limit >= 1:
                raise ValueError(f"check {name!r} gives 1 at most: it could never fail with limit {check.limit:g}")
        return value

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, value: str) -> str:
        fields = value.split()
        if len(fields) != len(CRON) or not all(map(_is_cron_field, fields, CRON.values())):
            allowed = ", ".join(f"{name} {low} to {high}" for name, (low, high) in CRON.items())
            raise ValueError(f"a cron expression of five fields is needed, e.g. '*/5 * * * *': {allowed}")
        return value

    def checks(self, kind: CheckKind) -> dict[str, CheckRules]:
        """The checks of one kind, by name."""
        return dict(getattr(self, kind))
