"""Verdicts: pure functions that compare measurements with chance, or with the limits of `model.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, Self

from cyclone.checks.chance import LEAST_DAYS, Null, Nulls, compute_p_value, find_error_limit, find_limit, find_threshold
from cyclone.sections import CheckKind, CheckRules

Verdict = Literal["passed", "failed", "no_data"]
BIAS = "bias"
"""The error check whose accepted value is 0, whatever error the version was accepted with."""


@dataclass(frozen=True)
class Measurement:
    """What a check measured of one subject. `value` is None where there was nothing to measure.

    `standard_error` is in the unit of `value`. `sample_size` counts rows, labels or requests, as the check says.
    """

    subject: str
    value: float | None
    standard_error: float | None
    sample_size: int


@dataclass(frozen=True)
class CheckResult:
    """One verdict on one subject of a check. The window is [start, end).

    `limit` is in the unit of `value`, or None without a limit.
    """

    kind: CheckKind
    check_name: str
    subject: str
    version: int
    value: float | None
    standard_error: float | None
    sample_size: int
    limit: float | None
    verdict: Verdict
    window_start: datetime
    window_end: datetime
    p_value: float | None = None
    """The chance of such a value when nothing has changed. None where a limit of `model.yaml` decides."""
    reason: str = ""
    """Why the verdict is `no_data`. Empty for any other verdict."""

    def to_json(self) -> dict[str, Any]:
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        times = {key: datetime.fromisoformat(data[key]) for key in ("window_start", "window_end")}
        return cls(**{**data, **times})


@dataclass(frozen=True)
class Standards:
    """The standards that a version's measurements are judged by.

    `alpha` is the false alarm rate of one window. `accepted_error` is measured by the gate's metric. `errors` has the
    accepted error by each metric. `completeness_floor` is the least share of a window's answered rows in the log.
    """

    alpha: float
    accepted_error: float
    errors: Mapping[str, float]
    nulls: Nulls
    completeness_floor: float = 0.0

    def accepted(self, check_name: str) -> float:
        """The accepted error by a check's metric. For a metric that training did not measure, the gate's is taken."""
        return self.errors.get(check_name, self.accepted_error)


@dataclass(frozen=True)
class Item:
    """A measurement, with the check that made it.

    `completeness` is the share of the window's answered rows that are in the log, or None if it is not known. `fault`
    is what is wrong with a broken check, in words, and empty otherwise. `days` is how many days the window's rows are
    of, or for an error check its labels. Days with unequal numbers count as fewer. None where that is not known.
    """

    check_name: str
    check: CheckRules
    measured: Measurement
    completeness: float | None = None
    fault: str = ""
    days: float | None = None


@dataclass(frozen=True)
class Judgement:
    """What an item was judged to be.

    `limit` is in the unit of the value. `p_value` is None where a limit of `model.yaml` decides. `reason` says why the
    verdict is `no_data`, and is empty otherwise.
    """

    verdict: Verdict
    limit: float | None
    p_value: float | None = None
    reason: str = ""


def judge(kind: CheckKind, items: Sequence[Item], standards: Standards) -> list[Judgement]:
    """Judge all items of one kind. Return one judgement an item, in the same order.

    An item fails when its value is above its limit. The limit is the one in `model.yaml`, or the one that chance
    exceeds at the rate `alpha`. For error and estimate checks, `model.yaml` gives a multiple of the accepted error.
    All subjects of the drift checks share the rate `alpha`, by `find_threshold`.
    """
    reasons = [explain_no_data(kind, item, standards) for item in items]
    p_values = [
        None if reason or kind != "drift" else _find_p_value(item, standards)
        for item, reason in zip(items, reasons, strict=True)
    ]
    threshold = find_threshold([value for value in p_values if value is not None], standards.alpha)
    return [
        _judge_item(kind, item, standards, p_value, threshold, reason)
        for item, p_value, reason in zip(items, p_values, reasons, strict=True)
    ]


def explain_no_data(kind: CheckKind, item: Item, standards: Standards) -> str:
    """Why an item can only be `no_data`, in words. Empty when it can be judged."""
    measured, needed = item.measured, item.check.minimum_samples
    complete, floor = item.completeness, standards.completeness_floor
    if item.fault:
        return item.fault
    if measured.sample_size < needed:
        return f"{measured.sample_size} samples, {needed} are needed"
    # Only NaN differs from itself.
    if measured.value is None or measured.value != measured.value:
        return "the check returns no value"
    if complete is not None and complete < floor:
        return f"{complete:.1%} of the window's rows are in the log, {floor:.1%} are needed"
    if item.check.limit is not None:
        return ""
    if kind == "drift" and _find_null(item, standards) is None:
        return "the reference does not tell how far chance goes: set a limit"
    if kind == "error" and measured.standard_error is None:
        return "without a standard error chance cannot be told: set a limit"
    if kind == "error" and (item.days is None or item.days < LEAST_DAYS):
        return f"labels of {LEAST_DAYS} days of equal weight are needed to tell chance, there are {item.days or 0:.1f}"
    return ""


def _judge_item(
    kind: CheckKind, item: Item, standards: Standards, p_value: float | None, threshold: float, reason: str
) -> Judgement:
    limit = _find_limit(kind, item, standards, threshold)
    if reason:
        return Judgement("no_data", limit, None, reason)
    value = item.measured.value
    assert value is not None
    assert limit is not None
    fails = value > limit if p_value is None else p_value <= threshold
    return Judgement("failed" if fails else "passed", limit, p_value)


def _find_p_value(item: Item, standards: Standards) -> float | None:
    null = _find_null(item, standards)
    if item.check.limit is not None or null is None or item.measured.value is None:
        return None
    measured = item.measured
    days = item.days or item.check.window_days
    return compute_p_value(item.check_name, item.measured.value, measured.sample_size, days, null)


def _find_limit(kind: CheckKind, item: Item, standards: Standards, threshold: float) -> float | None:
    measured = item.measured
    if item.check.limit is not None:
        return item.check.limit * (standards.accepted(item.check_name) if kind in ("error", "estimate") else 1.0)
    if kind == "error":
        accepted = 0.0 if item.check_name == BIAS else standards.accepted(item.check_name)
        return find_error_limit(accepted, measured.standard_error, item.days, standards.alpha)
    null = _find_null(item, standards)
    if null is None or not measured.sample_size:
        return None
    days = item.days or item.check.window_days
    return find_limit(item.check_name, threshold, measured.sample_size, days, null)


def _find_null(item: Item, standards: Standards) -> Null | None:
    return standards.nulls.get((item.check_name, item.measured.subject))
