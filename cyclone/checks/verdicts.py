"""Verdicts: measurements against what is chance, or against the limits of `model.yaml`. Pure functions of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, Self

from cyclone.checks.chance import Null, Nulls, compute_p_value, find_error_limit, find_limit, find_threshold
from cyclone.sections import CheckKind, CheckRules

Verdict = Literal["passed", "failed", "no_data"]
BIAS = "bias"


@dataclass(frozen=True)
class Measurement:
    """What a check says of one subject; `value` is None where there is nothing to measure."""

    subject: str
    value: float | None
    standard_error: float | None
    sample_size: int


@dataclass(frozen=True)
class CheckResult:
    """One verdict. `limit` is in the unit of `value`, None where there is none; the window is [start, end)."""

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
    """How often chance gives such a value; None where a limit of `model.yaml` is the judge."""
    reason: str = ""
    """Why the verdict is `no_data`."""

    def to_json(self) -> dict[str, Any]:
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        times = {key: datetime.fromisoformat(data[key]) for key in ("window_start", "window_end")}
        return cls(**{**data, **times})


@dataclass(frozen=True)
class Standards:
    """What a version's measurements are judged by.

    `accepted_error`: by the metric that the gate compares; `errors`: by every metric. `alpha`: the false alarm rate of
    one window. `completeness_floor`: the share of a window's answered rows that must be in the log.
    """

    alpha: float
    accepted_error: float
    errors: Mapping[str, float]
    nulls: Nulls
    completeness_floor: float = 0.0

    def accepted(self, check_name: str) -> float:
        """The accepted error by a metric; by one that training did not measure, that of the gate."""
        return self.errors.get(check_name, self.accepted_error)


@dataclass(frozen=True)
class Item:
    """A measurement and the check that it was made for.

    `completeness`: the share of the window's answered rows that are in the log, None where that is unknown. `fault`:
    what is wrong with the check, if it gave no measurement.
    """

    check_name: str
    check: CheckRules
    measured: Measurement
    completeness: float | None = None
    fault: str = ""


@dataclass(frozen=True)
class Judgement:
    """`limit` in the unit of the value; `p_value` where chance is the judge; `reason` says why it is `no_data`."""

    verdict: Verdict
    limit: float | None
    p_value: float | None = None
    reason: str = ""


def judge(kind: CheckKind, items: Sequence[Item], standards: Standards) -> list[Judgement]:
    """A verdict for each item, in their order.

    Fails what is above its limit: the one that `model.yaml` sets (of an error as a multiple of the accepted one), or
    the one that chance exceeds at the rate alpha. Of drift checks all subjects share this rate, see `find_threshold`.
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
    """Why nothing can be said; empty where something can."""
    measured, needed = item.measured, item.check.minimum_samples
    complete, floor = item.completeness, standards.completeness_floor
    if item.fault:
        return item.fault
    if measured.sample_size < needed:
        return f"{measured.sample_size} samples, {needed} are needed"
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
    return compute_p_value(item.check_name, item.measured.value, measured.sample_size, item.check.window_days, null)


def _find_limit(kind: CheckKind, item: Item, standards: Standards, threshold: float) -> float | None:
    measured, days = item.measured, item.check.window_days
    if item.check.limit is not None:
        return item.check.limit * (standards.accepted(item.check_name) if kind in ("error", "estimate") else 1.0)
    if kind == "error":
        accepted = 0.0 if item.check_name == BIAS else standards.accepted(item.check_name)
        return find_error_limit(accepted, measured.standard_error, days, standards.alpha)
    null = _find_null(item, standards)
    if null is None or not measured.sample_size:
        return None
    return find_limit(item.check_name, threshold, measured.sample_size, days, null)


def _find_null(item: Item, standards: Standards) -> Null | None:
    return standards.nulls.get((item.check_name, item.measured.subject))
