"""The plain values that a decision rests on, among them requests for a retraining."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cyclone.checks.verdicts import CheckResult
from cyclone.differences import Difference
from cyclone.policy.breaker import Upstream
from cyclone.policy.decisions import Cause
from cyclone.sections import Window


@dataclass(frozen=True)
class DailyError:
    """The mean error of one version over the labels that came in one whole day of UTC.

    `error` is in the unit of the model's metric. `rows` is the number of labels.
    """

    start: datetime
    error: float
    rows: int


@dataclass(frozen=True)
class ServingVersion:
    """The version that serves, with its accepted error and its error on each labelled whole day.

    `days` has the oldest day first. A day is in it only if the version served all of that day.
    """

    version: int
    promoted_at: datetime
    metric: str
    accepted_error: float
    days: tuple[DailyError, ...] = ()


@dataclass(frozen=True)
class RefitDay:
    """One day of the version that served, beside refits that were trained on what was known before that day.

    All errors are means over the same `rows`, each as corrected. `refit_errors` has one for each window of training.
    """

    start: datetime
    version: int
    rows: int
    error: float
    refit_errors: Mapping[Window, float]


@dataclass(frozen=True)
class PastRetraining:
    """One retraining that has ended. `cost` is in the unit of the model's budget.

    `outcome` is `promoted`, `rolled_back`, `kept_champion` or `failed`. `rolled_back` is a promotion that was undone.
    """

    ended_at: datetime
    outcome: str
    cost: float


@dataclass(frozen=True)
class Request:
    """A request for a retraining, by a person or by an alert.

    `despite` names the causes of a hold that the request ignores. Only a person may name any. `waited_seconds` is the
    wall time between the question and its answer, as of an Airflow run that stood in a queue.
    """

    asked_by: str
    is_person: bool
    because: str = ""
    despite: tuple[Cause, ...] = ()
    waited_seconds: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """Everything that a decision rests on. Times are event time. `retrainings` has the newest last."""

    now: datetime
    champion: ServingVersion | None
    results: Sequence[CheckResult] = ()
    retrainings: Sequence[PastRetraining] = ()
    requests: Sequence[Request] = ()
    refits: Sequence[RefitDay] = ()
    """The scored days of refits since the version serves, and those before on which windows are compared."""
    upstream: Upstream = field(default_factory=Upstream)
    differences: Sequence[Difference] = ()
    """How traffic, tags and aliases differ from the release record, by the newest comparison."""
    retired_by: str | None = None
    """Who retired the model, if nothing has served since. Only a person's request brings it back."""
    resumed_at: datetime | None = None
    """When a person last resumed the model. Retrainings before that count neither for a pause nor for the budget."""
