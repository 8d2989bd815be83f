"""The circuit breaker: pure functions that find broken data upstream of the model.

A retraining on broken data would learn the fault.
"""

from dataclasses import dataclass
from datetime import datetime

from cyclone.spec import ModelSpec
from cyclone.times import DAY
from cyclone.wording import format_percent

LEAST_SAMPLE = 20
"""The fewest requests, rows or missing labels that count as evidence of a fault.

One odd row in 20 is 5 %. With fewer, a single row could reach the limits of `retrain.breaker`. A higher number leaves
models with little traffic unwatched.
"""

ODD_SHARE = 0.05
"""The share of rows with another value up to which a feature still is stuck. It is one odd row in 20.

One odd row, such as a test by hand, does not show that what sends the feature works again.
"""
USUAL_SHARE = 0.5
"""The share of the training rows with a value above which it may truly stand for two days, such as no rain.

A feature that was constant at training has 1.
"""
DAY_SHARE = 0.25
"""The least part of `retrain.breaker.stuck_rows` that each of the two days needs. One row shows nothing of its day."""


@dataclass(frozen=True)
class FeatureFacts:
    """What is known of one feature over the last day and the day before it.

    `rows` and `missing` count rows of the last day. `values_before` counts values of the day before.
    `accepted_missing_share` is the share, from 0 to 1, that was missing at training.
    """

    feature: str
    rows: int
    missing: int
    accepted_missing_share: float
    values_before: int = 0
    common: int | None = None
    """The rows of the last day with the value that most rows of both days have.

    None for a feature that may truly stand still.
    """
    common_before: int = 0
    """The rows of the day before with that value.

    One day would not be enough. In 2011 the bike data have a whole day at 100 % humidity, and never two.
    """
    accepted_common_share: float = 0.0
    """The most, as a share from 0 to 1, of the training rows with a value that can have had this one."""


@dataclass(frozen=True)
class Upstream:
    """What came in during the last day, in counts of requests and rows. None and 0 mean that nothing is known."""

    requests: int = 0
    rejected: int = 0
    features: tuple[FeatureFacts, ...] = ()
    answered: int = 0
    in_log: int = 0
    set_aside: int = 0
    conflicting: int = 0
    unlabelled_since: datetime | None = None
    """The time of the 20th answered row whose label is overdue (`LEAST_SAMPLE`). None while labels keep coming."""
    newest_labelled: datetime | None = None
    """The time of the newest answered row that has a label."""
    due: int = 0
    due_labelled: int = 0
    due_before: int = 0
    due_labelled_before: int = 0
    """The rows of a week whose labels are overdue, those of them with a label, and the same of all rows before."""


def find_faults(spec: ModelSpec, upstream: Upstream, now: datetime) -> list[str]:
    """The faults of the data upstream of the model, one sentence a fault. A person has to mend them first."""
    limits = spec.retrain.breaker
    faults = []
    if upstream.requests >= LEAST_SAMPLE and upstream.rejected / upstream.requests > limits.rejected_share:
        faults.append(f"{upstream.rejected} of {upstream.requests} requests do not fit model.yaml")
    if upstream.answered >= LEAST_SAMPLE and upstream.in_log / upstream.answered < limits.completeness:
        refused = f", Postgres refused {upstream.set_aside}" if upstream.set_aside else ""
        foreign = f", {upstream.conflicting} came with ids of other rows" if upstream.conflicting else ""
        faults.append(f"the log holds {upstream.in_log} of {upstream.answered} answered rows{refused}{foreign}")
    for facts in upstream.features:
        # A feature that often was missing at training may go on being missing as often.
        allowed = facts.accepted_missing_share + limits.missing_share
        if facts.rows >= LEAST_SAMPLE and facts.missing / facts.rows > allowed:
            faults.append(f"{facts.feature} is missing in {facts.missing} of {facts.rows} rows")
        if _is_stuck(facts, limits.stuck_rows):
            faults.append(f"{facts.feature} is stuck at one value in {_count_common(facts)} rows of 2 days")
    return faults + (_find_silence(spec, upstream, now) or _find_thin_labels(spec, upstream))


def _is_stuck(facts: FeatureFacts, stuck_rows: int) -> bool:
    if facts.common is None or facts.accepted_common_share > USUAL_SHARE:
        return False
    days = (facts.rows - facts.missing, facts.values_before)
    is_seen = sum(days) >= stuck_rows and min(days) >= stuck_rows * DAY_SHARE
    return is_seen and sum(days) - _count_common(facts) <= sum(days) * ODD_SHARE


def _count_common(facts: FeatureFacts) -> int:
    return (facts.common or 0) + facts.common_before


def _find_silence(spec: ModelSpec, upstream: Upstream, now: datetime) -> list[str]:
    since = upstream.unlabelled_since
    if since is None:
        return []
    # Labels are due only after the expected delay. Silence counts from then on.
    late_days = (now - since - spec.label.delay - spec.label.load) / DAY
    if late_days <= spec.retrain.breaker.silent_days:
        return []
    newest = upstream.newest_labelled
    words = f"none for rows after {newest:%Y-%m-%d %H:%M}" if newest else "none ever"
    return [f"labels stopped: {words}, {late_days:.1f} days later than expected"]


def _find_thin_labels(spec: ModelSpec, upstream: Upstream) -> list[str]:
    """The fault that far fewer rows get a label than before. A few that still come hide that the others stopped."""
    if not upstream.due_before or not upstream.due:
        return []
    usual = upstream.due_labelled_before / upstream.due_before
    if usual * upstream.due < LEAST_SAMPLE:
        return []
    share = upstream.due_labelled / upstream.due
    if share >= spec.retrain.breaker.labelled_share * usual:
        return []
    found = f"{upstream.due_labelled} of {upstream.due} rows of a week have one"
    return [f"labels are missing: {found}, {format_percent(share)} where {format_percent(usual)} had one before"]
