"""Decide from verdicts whether a retraining is due, and say why in a sentence with its numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cyclone.checks import CheckResult
from cyclone.spec import ModelSpec


@dataclass(frozen=True)
class Decision:
    should_retrain: bool
    reason: str


def decide(
    spec: ModelSpec, results: Sequence[CheckResult], last_retraining_end: datetime | None, now: datetime
) -> Decision:
    """Retrain when a check of a kind in `retrain.triggered_by` failed and the cooldown is over.

    `no_data` never starts a retraining. `now` and `last_retraining_end` are event time.
    """
    failed = [result for result in results if result.verdict == "failed" and result.kind in spec.retrain.triggered_by]
    if not failed:
        return Decision(False, f"no retraining: {_describe_calm(spec, results)}")
    reason = "; ".join(describe_failure(spec, result) for result in failed)
    cooldown = timedelta(days=spec.retrain.cooldown_days)
    if last_retraining_end is not None and now < last_retraining_end + cooldown:
        days = (now - last_retraining_end) / timedelta(days=1)
        return Decision(
            False,
            f"no retraining, although {reason}: the last one ended {days:.1f} days ago,"
            f" within the cooldown of {spec.retrain.cooldown_days:g} days",
        )
    return Decision(True, reason)


def describe_failure(spec: ModelSpec, result: CheckResult) -> str:
    """E.g. `mean_absolute_error 61.2 over 7 days on 168 rows is above 1.5 × the accepted 24.1 = 36.2`."""
    days = (result.window_end - result.window_start).days
    of_subject = "" if result.subject == "all" else f" of {result.subject}"
    limit = format_number(result.limit)
    multiple = spec.monitor.error[result.check_name].limit if result.kind == "error" else None
    if multiple is not None and result.limit is not None:
        limit = f"{multiple:g} × the accepted {format_number(result.limit / multiple)} = {limit}"
    return (
        f"{result.check_name}{of_subject} {format_number(result.value)}"
        f" over {days} {'day' if days == 1 else 'days'}"
        f" on {result.sample_size} {'requests' if result.kind == 'service' else 'rows'} is above {limit}"
    )


def format_number(value: float | None) -> str:
    """Three digits that matter; whole from a thousand on.

    >>> format_number(61.23), format_number(0.20049), format_number(12345.6)
    ('61.2', '0.2', '12,346')
    """
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _describe_calm(spec: ModelSpec, results: Sequence[CheckResult]) -> str:
    kinds = " or ".join(spec.retrain.triggered_by)
    counts = Counter(result.verdict for result in results if result.kind in spec.retrain.triggered_by)
    if not counts:
        return f"no {kinds} check has a verdict"
    return f"no {kinds} check failed ({counts['passed']} passed, {counts['no_data']} without enough data)"
