"""The facts that a decision rests on, and requests: plain values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cyclone.checks.verdicts import CheckResult
from cyclone.policy.breaker import Upstream
from cyclone.policy.decisions import Cause


@dataclass(frozen=True)
class DailyError:
    """The mean error of one version over the labels that came in one whole day, and on how many rows."""

    start: datetime
    error: float
    rows: int


@dataclass(frozen=True)
class ServingVersion:
    """The version that serves: since when, accepted with which error, and its error on each labelled whole day.

    Days are the oldest first; a day counts only if the version served all of it.
    """

    version: int
    promoted_at: datetime
    metric: str
    accepted_error: float
    days: tuple[DailyError, ...] = ()


@dataclass(frozen=True)
class PastRetraining:
    """One that ended: `promoted`, `rolled_back` after that, `kept_champion`, or `failed`."""

    ended_at: datetime
    outcome: str
    cost: float


@dataclass(frozen=True)
class Request:
    """Somebody asks for a retraining: a person, who may say what to do it in spite of, or an alert."""

    asked_by: str
    is_person: bool
    because: str = ""
    despite: tuple[Cause, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """All that a decision rests on; times are event time. Retrainings: the newest last."""

    now: datetime
    champion: ServingVersion | None
    results: Sequence[CheckResult] = ()
    retrainings: Sequence[PastRetraining] = ()
    requests: Sequence[Request] = ()
    fresh_ratios: Sequence[float] = ()
    """Of earlier versions: a typical day's error in their first days of service over their accepted error."""
    upstream: Upstream = field(default_factory=Upstream)
    resumed_at: datetime | None = None
    """When a person last said to go on: what happened before stands against nothing any more."""
