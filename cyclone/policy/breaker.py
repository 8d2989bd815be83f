"""The circuit breaker: what is broken before the model, so that a retraining would learn the fault. Pure functions."""

from dataclasses import dataclass
from datetime import datetime

from cyclone.spec import ModelSpec
from cyclone.times import DAY

LEAST_SAMPLE = 20
"""Requests or rows: a share of fewer says nothing about what is broken upstream, nor do fewer without their labels."""


@dataclass(frozen=True)
class FeatureFacts:
    """Of one feature, rows from all hours of a day, and how many values the day before it had.

    `distinct`: how many values of both days differ; None where one may well be the truth. It takes two: the air was at
    100 % humidity for a whole day in 2011, never for two.
    """

    feature: str
    rows: int
    missing: int
    accepted_missing_share: float
    values_before: int = 0
    distinct: int | None = None


@dataclass(frozen=True)
class Upstream:
    """What came in during the last day; None and 0 mean that nothing is known."""

    requests: int = 0
    rejected: int = 0
    features: tuple[FeatureFacts, ...] = ()
    answered: int = 0
    in_log: int = 0
    set_aside: int = 0
    unlabelled_since: datetime | None = None
    """By then `LEAST_SAMPLE` rows had been answered that no label has come for since the newest one."""
    newest_label: datetime | None = None


def find_faults(spec: ModelSpec, upstream: Upstream, now: datetime) -> list[str]:
    """What is broken before the model: a retraining would learn the fault, so a person has to mend it first."""
    limits = spec.retrain.breaker
    faults = []
    if upstream.requests >= LEAST_SAMPLE and upstream.rejected / upstream.requests > limits.rejected_share:
        faults.append(f"{upstream.rejected} of {upstream.requests} requests do not fit model.yaml")
    if upstream.answered >= LEAST_SAMPLE and upstream.in_log / upstream.answered < limits.completeness:
        refused = f", Postgres refused {upstream.set_aside}" if upstream.set_aside else ""
        faults.append(f"the log holds {upstream.in_log} of {upstream.answered} answered rows{refused}")
    for facts in upstream.features:
        allowed = facts.accepted_missing_share + limits.missing_share
        if facts.rows >= LEAST_SAMPLE and facts.missing / facts.rows > allowed:
            faults.append(f"{facts.feature} is missing in {facts.missing} of {facts.rows} rows")
        present, before = facts.rows - facts.missing, facts.values_before
        if facts.distinct == 1 and present and before and present + before >= limits.stuck_rows:
            faults.append(f"{facts.feature} is stuck at one value in {present + before} rows of 2 days")
    return faults + _find_silence(spec, upstream, now)


def _find_silence(spec: ModelSpec, upstream: Upstream, now: datetime) -> list[str]:
    since = upstream.unlabelled_since
    if since is None:
        return []
    late_days = (now - since) / DAY - spec.label.expected_delay_hours / 24
    if late_days <= spec.retrain.breaker.silent_days:
        return []
    newest = upstream.newest_label
    words = f"none since {newest:%Y-%m-%d %H:%M}" if newest else "none ever"
    return [f"labels stopped: {words}, {late_days:.1f} days later than expected"]
