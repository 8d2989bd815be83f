"""The sections of a `model.yaml`, with their keys, defaults and allowed values.

The file is longer than others because `model.yaml` has one place where all of its keys are told.
Errors: pydantic's `ValidationError`. `cyclone.spec` turns it into a `ConfigurationError` that names the file.
"""

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

# Each part that gets the name takes it then: Cloud Run no hyphen at the end, an image's repository no three underscores
# in a row, and ids of DAGs are cut at two. 40 characters leave room for a version and a calibration in a revision's 63.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=40)]
CheckKind = Literal["drift", "error", "estimate", "service"]
Trigger = Literal["error", "error_checks", "drift", "estimate", "service", "request"]
FeatureType = Literal["integer", "number", "category", "boolean", "text"]
Percent = Annotated[int, Field(ge=1, le=100)]

FromList = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""Turns a list into a tuple. YAML has only lists, and a frozen section may only hold tuples."""


MIB, GIB = 2**20, 2**30
MEMORY_UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": MIB, "Gi": GIB}
"""The bytes of each unit of `serving.memory`."""
CLOUD_RUN_MEMORY_GIB = {"1": (0.5, 4), "2": (0.5, 8), "4": (2, 16), "6": (4, 24), "8": (4, 32)}
"""The least and most GiB that Cloud Run's second generation takes with each number of cores.

Source: https://cloud.google.com/run/docs/configuring/services/memory-limits
"""


def _refuse_rounded(value: object) -> object:
    for bound in value if isinstance(value, list | tuple) else ():
        is_integer = isinstance(bound, int) and not isinstance(bound, bool)
        if is_integer and (abs(bound) >= 2**63 or int(float(bound)) != bound):
            raise ValueError(f"a bound is {bound}, which a float would round. Allowed are integers up to 2^53")
    return value


Range = Annotated[tuple[float, float] | None, FromList, BeforeValidator(_refuse_rounded)]
"""The lowest and the highest number that is allowed."""


class Section(BaseModel):
    """One section of a `model.yaml`. It cannot be changed, and refuses unknown keys and values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Column(Section):
    """What a feature and the label have in common.

    `range` has the lowest and the highest number that is allowed. `values` lists the values of a category.
    """

    name: Annotated[str, Field(min_length=1, max_length=60)]
    type: FeatureType
    range: Range = None
    values: Annotated[tuple[str, ...] | None, FromList] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_bounds(self)
        return self

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each of `values`. A category may have thousands, among which none is sought one by one."""
        return {value: place for place, value in enumerate(self.values or ())}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values. pydantic would copy `places` too, which are those of the old ones."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("places", None)
        return copy


class Feature(Column):
    """One input of the model."""

    nullable: bool = False
    calendar: bool = False
    """Whether the feature moves with the calendar, as hour, weekday and season do. Drift checks leave it out."""


class Label(Column):
    """The true value of what was predicted. It is expected `expected_delay_hours` after its prediction."""

    type: Literal["integer", "number", "category", "boolean"]
    expected_delay_hours: float = Field(ge=0, le=366 * 24)
    """The hours after a prediction by which most labels are there. Error checks count a row from then on."""
    load_every_days: int = Field(default=0, ge=0, le=90)
    """The days between two loads, where labels come in bulk. 0 means that they come one by one.

    A label then comes up to so many days later than expected. The days of the last load are judged until the next.
    """

    @property
    def delay(self) -> timedelta:
        """The time from a prediction to when its label is expected."""
        return timedelta(hours=self.expected_delay_hours)

    @property
    def load(self) -> timedelta:
        """The time between two loads. It is nothing where labels come one by one."""
        return timedelta(days=self.load_every_days)

    @property
    def wait_days(self) -> int:
        """Whole days until all labels of a day are known, by the expected delay and the rhythm of the loads."""
        return math.ceil(self.expected_delay_hours / 24) + self.load_every_days


def _check_bounds(field: Column) -> None:
    if field.range is not None and field.type not in ("integer", "number"):
        raise ValueError(f"range is for type integer and number, and {field.name!r} is {field.type}")
    if field.range is not None and field.range[0] >= field.range[1]:
        raise ValueError(f"range {list(field.range)} must have its lower bound first")
    if field.range is not None and field.type == "integer" and math.ceil(field.range[0]) > field.range[1]:
        raise ValueError(f"range {list(field.range)} holds no integer, and {field.name!r} is one")
    if (field.type == "category") != (field.values is not None):
        raise ValueError(f"values are needed for a category and only there, and {field.name!r} is {field.type}")
    if any("\0" in value for value in field.values or ()):
        raise ValueError(f"values of {field.name!r} hold \\u0000, which Postgres cannot store")
    if field.values is not None and (not field.values or len(set(field.values)) != len(field.values)):
        raise ValueError(f"values {list(field.values)} must be distinct and not empty")


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
    drift: dict[Name, CheckRules] = {
        "jensen_shannon": CheckRules(minimum_samples=150),
        "wasserstein": CheckRules(minimum_samples=150),
    }
    """By default two checks that complement each other.

    `jensen_shannon` sees any change of shape. `wasserstein` sees sooner that numbers have moved up or down. Both are
    bounded by what the bins hold. In `population_stability` one bin that is empty by chance weighs like a drift.
    150 samples are most of a week of hourly rows.
    """
    error: dict[Name, CheckRules] = {}
    """The error checks. Empty means the usual ones of the task, `DEFAULT_ERROR_CHECKS`."""
    estimate: dict[Name, CheckRules] = {"expected_error": CheckRules(limit=1.5)}
    """Estimates of the error before labels are there. A failed one warns and by default starts no retraining."""
    service: dict[Name, CheckRules] = {
        "failure_share": CheckRules(limit=0.01, window_days=1, minimum_samples=20),
        "latency_p95_ms": CheckRules(limit=500, window_days=1, minimum_samples=20),
        "log_missing_share": CheckRules(limit=0.01, window_days=1, minimum_samples=20),
        "traffic_drop": CheckRules(limit=0.9, window_days=1, minimum_samples=20),
    }
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


class ErrorTrigger(Section):
    """The rule by which the error of the version that serves opens an incident."""

    limit: float = Field(default=1.5, gt=1, le=100)
    """The multiple of the accepted error above which a typical day's error fires. A lower limit retrains sooner."""
    window_days: int = Field(default=7, ge=1, le=90)
    minimum_days: int = Field(default=3, ge=1)
    """The labelled whole days of the version that serves that are needed before its error is judged.

    With fewer, one odd day is much of the evidence. With more, a bad version serves longer.
    """
    minimum_rows: int = Field(default=24, ge=1)
    """The labels of these days, taken together, that are needed before the error is judged.

    The mean of 24 errors is about a fifth off by chance, and `limit` asks for half.
    """

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.minimum_days > self.window_days:
            raise ValueError(
                f"minimum_days {self.minimum_days} is above window_days {self.window_days}: it could never fire"
            )
        return self


class Breaker(Section):
    """The limits of upstream faults. Beyond one of them no retraining starts, and a person is told."""

    rejected_share: float = Field(default=0.5, gt=0, lt=1)
    """The most of a day's requests, as a share, that may be refused because their rows do not fit model.yaml."""
    missing_share: float = Field(default=0.2, gt=0, lt=1)
    """How much more of a day's values of a feature may be missing than at training, as a difference of shares."""
    stuck_rows: int = Field(default=24, ge=2, le=1000)
    """The number of rows over two days at which one and the same value of a `number` feature is a fault."""
    silent_days: float = Field(default=3, gt=0, le=366)
    """The days without any label, beyond their expected delay and load, after which answered rows show a fault."""
    labelled_share: float = Field(default=0.3, gt=0, lt=1)
    """The least share of a week's rows that have a label, as a part of the share before.

    Labels of ids that nobody was given, and a few that still come, hide that the others stopped. A higher value tells
    sooner, and asks a person where only a part of the labels is late.
    """
    completeness: float = Field(default=0.95, gt=0, le=1)
    """The least share of a day's answered rows that has to be in the log."""


class Retrain(Section):
    """The policy of retraining, and how a challenger is trained and compared with the champion."""

    triggered_by: Annotated[tuple[Trigger, ...], FromList] = ("error",)
    """What may start a retraining.

    `error` means that a typical day's error has risen, by the rule `error`. `error_checks`, `drift`, `estimate` and
    `service` mean that a check of this kind has failed. Failed checks of kinds that are not named only warn. People
    and alerts may always ask, and `request` alone means that nothing else does.
    """
    error: ErrorTrigger = ErrorTrigger()
    maximum_age_days: float | None = Field(default=None, gt=0, le=3660)
    """The days after which a version is retrained, whatever its error. None means never."""
    minimum_gain: float | None = Field(default=None, gt=0, le=0.9)
    """The share of the error that a new version has to be expected to remove. None turns the trigger off.

    What is expected comes from how earlier versions did when they were new.
    """
    cooldown_days: float = Field(default=10, ge=0, le=366)
    """The days after the end of a retraining in which alarms open no incident.

    10 days are longer than the 7 days of the error trigger. So the next decision rests on days after the retraining.
    """
    cost: float = Field(default=1, gt=0)
    """The cost of one retraining, in the unit of the budget, such as hours, euros, or retrainings."""
    budget_per_week: float = Field(default=2, gt=0)
    """What retrainings may cost in seven days. By default these are two retrainings."""
    pause_after: int = Field(default=2, ge=1, le=10)
    """The retrainings in a row without gain, or that failed, after which a pause begins and a person is told."""
    pause_days: float = Field(default=28, ge=1, le=366)
    """The days of a pause, counted from the last of these retrainings. A person may end it sooner."""
    breaker: Breaker = Breaker()
    window_days: int | None = Field(default=None, ge=7)
    """The days to train on, counted back from the newest. Null means all days."""
    half_life_days: float | None = Field(default=None, ge=1)
    """The days of age with which the weight of a training row halves. Null gives all rows the same weight."""
    holdout_days: int = Field(default=5, ge=1, le=90)
    """The newest days, which a challenger is not trained on and the gate compares on.

    More days make the comparison surer, and the challenger older.
    """
    folds: int = Field(default=5, ge=2, le=20)
    """The parts of random whole days that the accepted error is measured on.

    Each part is predicted by a sibling that was fitted on the other parts. More parts cost more fits, and give siblings
    that resemble the version more.
    """
    minimum_rows: int = Field(default=200, ge=20)
    """The fewest labelled rows that a version is trained on."""
    gate_rule: Literal["refute", "prove"] = "refute"
    """How the gate decides.

    With `refute`, a challenger is refused if it is shown to be worse by more than the margin. With `prove`, it passes
    only if it is shown not to be.
    """
    gate_margin: float = Field(default=0.02, ge=0, le=0.25)
    """How much worse a challenger's error may be than the champion's, as a share of the latter.

    With 0, the rule `prove` would refuse nearly every challenger that is as good as the champion.
    """
    slices: Annotated[tuple[str, ...], FromList] = ()
    """The features whose values split the held-out rows into slices, which the gate compares one by one."""
    slice_margin: float = Field(default=0.1, ge=0, le=0.5)
    """The margin on each slice. It is wider than `gate_margin` because a slice has fewer rows."""

    @property
    def triggering_checks(self) -> list[CheckKind]:
        """The kinds of checks whose failure is a reason to retrain."""
        named = {"error" if name == "error_checks" else name for name in self.triggered_by if name != "error"}
        return [kind for kind in get_args(CheckKind) if kind in named]

    @model_validator(mode="after")
    def _check_that_it_can_fire(self) -> Self:
        if not self.triggered_by and self.maximum_age_days is None and self.minimum_gain is None:
            raise ValueError(
                "triggered_by is empty and neither maximum_age_days nor minimum_gain is set: it could never fire."
                " If only people shall ask, say so with triggered_by: [request]"
            )
        if self.cost > self.budget_per_week:
            raise ValueError(
                f"cost {self.cost:g} is above budget_per_week {self.budget_per_week:g}: it could never fire"
            )
        if self.maximum_age_days is not None and self.maximum_age_days < self.cooldown_days:
            raise ValueError(
                f"maximum_age_days {self.maximum_age_days:g} is within cooldown_days {self.cooldown_days:g}:"
                " it could not be kept"
            )
        if self.window_days is not None and self.window_days - self.holdout_days < self.folds:
            raise ValueError(
                f"holdout_days {self.holdout_days} leaves {max(0, self.window_days - self.holdout_days)} of window_days"
                f" {self.window_days} to train on: folds {self.folds} needs as many"
            )
        if self.gate_margin >= self.error.limit - 1:
            raise ValueError(
                f"gate_margin {self.gate_margin:g} accepts what error.limit {self.error.limit:g} would retrain again"
            )
        return self


CalibrationMethod = Literal["ratio", "bias", "prior_shift", "temperature"]


class Recalibrate(Section):
    """How calibrations are fitted on a version's newest labels. `auto` takes the usual method of the task."""

    enabled: bool = True
    method: Literal["auto", "ratio", "bias", "prior_shift", "temperature"] = "auto"
    memory_days: int = Field(default=7, ge=2, le=366)
    """The most labelled days that a calibration is fitted on. More days are surer, and follow changes later."""
    minimum_days: int = Field(default=2, ge=2)
    """The fewest labelled days that a calibration is fitted on."""
    every_days: int = Field(default=1, ge=1, le=366)
    """The days between two searches for a calibration. Each calibration that is found is a revision of its own."""
    shrinkage_days: float = Field(default=1, ge=0, le=100)
    """How strongly a calibration is shrunk towards no correction.

    It is shrunk as if so many more average days had been predicted without any error.
    """

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.minimum_days > self.memory_days:
            raise ValueError(f"minimum_days {self.minimum_days} is above memory_days {self.memory_days}")
        return self


AlertAction = Literal["retrain", "recalibrate", "roll_back", "note"]


class Webhook(Section):
    """What an alert may do that Grafana or Alertmanager sends."""

    actions: Annotated[tuple[AlertAction, ...], FromList] = ("retrain", "note")
    """The actions that alerts may ask for by their label `cyclone`. Any other is refused.

    By default an alert cannot change what serves without the gate and the canary of a retraining.
    """


class ReleaseRules(Section):
    """How a candidate is rehearsed and judged before it serves."""

    rehearsal_requests: int = Field(default=200, ge=0, le=100_000)
    """The newest logged rows that a candidate has to answer before it has traffic."""
    rehearsal_latency_ms: float = Field(default=500, gt=0)
    """The time in which 95 % of these rows have to be answered, in milliseconds."""
    steps: Annotated[tuple[Percent, ...], FromList] = (5, 20, 50, 100)
    """The canary's shares of the live traffic, in percent. Small first ones keep most requests from a bad version."""
    requests_per_step: int = Field(default=50, ge=1)
    """The fewest requests that a candidate answers at a step before it may pass."""
    seconds_per_step: float = Field(default=60, ge=0)
    """The least time of a step. A third of it is a moment: what disturbs an instance no longer counts as one event.

    A minute makes moments of 20 seconds, longer than most garbage collections, retries and neighbours' bursts.
    """
    deadline_minutes: float = Field(default=60, gt=0)
    """The minutes after which an inconclusive step ends, as `on_deadline` says."""
    on_deadline: Literal["roll_back", "go_on"] = "roll_back"
    """What ends an inconclusive step at its deadline.

    Even `go_on` waits for `requests_per_step`, because a candidate without requests has shown nothing.
    """
    failure_share_limit: float = Field(default=0.02, ge=0, lt=1)
    """How much more of its requests the candidate may fail than the champion, as a difference of shares."""
    latency_ratio_limit: float = Field(default=1.4, gt=1, le=100)
    """The candidate's mean latency over the champion's, beyond which it is condemned."""
    error_ratio_limit: float = Field(default=1.15, gt=1, le=10)
    """The candidate's error over the champion's, beyond which it is condemned."""
    prediction_shift_limit: float = Field(default=0.5, gt=0, lt=1)
    """The Kolmogorov-Smirnov distance between both versions' predictions, beyond which a candidate is condemned."""
    lost_share_limit: float = Field(default=0.02, ge=0, lt=1)
    """How much more of the candidate's rows the log may lose than of the champion's, as a difference of shares."""
    reconcile: Literal["never", "always"] = "never"
    """Whether the monitor mends traffic, tags and aliases that are not as the release record says.

    `never` only tells a person, because somebody may have moved them on purpose.
    """
    kept_champions: int = Field(default=2, ge=1, le=100)
    """The number of earlier champions that a roll-back can return to. Their revisions and images are kept."""

    @field_validator("steps")
    @classmethod
    def _check_steps(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or list(value) != sorted(set(value)) or value[-1] != 100:
            raise ValueError("steps must rise and end with 100")
        return value


class Serving(Section):
    """The resources of a model's instances, and what a request may hold.

    `concurrency` is the number of requests that an instance answers at once. `memory` is in bytes with a unit, such as
    `512Mi`.
    """

    concurrency: int = Field(default=40, ge=1, le=1000)
    min_instances: int = Field(default=1, ge=0, le=100)
    max_instances: int = Field(default=4, ge=1, le=1000)
    cpu: str = "1"
    """The cores of an instance. Cloud Run has no other numbers of whole cores.

    It also has parts of a core, but takes them away between requests. The log is sent then.
    """
    memory: str = Field(default="512Mi", pattern=r"^\d{1,12}([kMG]|[KMG]i)$")
    max_rows: int = Field(default=1000, ge=1, le=100_000)
    """The most rows of one request."""
    durability: Literal["spooled", "committed"] = "spooled"
    """What an answer waits for: its rows in the spool file, or in Postgres."""
    spool_mb: int = Field(default=64, ge=1, le=100_000)
    """The most megabytes of an instance's spool, where rows wait for Postgres.

    Beyond it, the newest rows are dropped and counted. On Cloud Run the spool takes memory, elsewhere disk.
    """
    conflicting_ids: Literal["refuse", "count"] = "refuse"
    """What becomes of a request with an id that was given to another row before.

    `refuse` answers 409 where the instance knows it. `count` answers it. Rows that are answered although their id is
    another row's are not in the log. The loss ledger counts them as `conflicting`, and the log is incomplete by them.
    """
    accept_created_at: bool = False
    """Whether clients may set a row's event time. A replay of history needs it."""

    @model_validator(mode="after")
    def _check_instances(self) -> Self:
        if self.min_instances > self.max_instances:
            raise ValueError(f"min_instances {self.min_instances} is above max_instances {self.max_instances}")
        return self

    @field_validator("cpu")
    @classmethod
    def _check_cpu(cls, value: str) -> str:
        if value not in CLOUD_RUN_MEMORY_GIB:
            raise ValueError(f"Cloud Run has instances of {', '.join(CLOUD_RUN_MEMORY_GIB)} cores. Write one in quotes")
        return value

    @model_validator(mode="after")
    def _check_memory(self) -> Self:
        size = re.fullmatch(r"(\d+)(\D+)", self.memory)
        assert size is not None, "the pattern of `memory` is checked before"
        memory = int(size[1]) * MEMORY_UNITS[size[2]]
        least, most = CLOUD_RUN_MEMORY_GIB[self.cpu]
        if not least * GIB <= memory <= most * GIB:
            raise ValueError(
                f"memory {self.memory!r} with cpu {self.cpu!r}: Cloud Run takes {least:g}Gi to {most:g}Gi with so many"
                " cores. Change memory or cpu"
            )
        if self.spool_mb * MIB >= memory:
            raise ValueError(
                f"spool_mb {self.spool_mb} does not fit into memory {self.memory!r}, out of which Cloud Run takes it."
                " Make spool_mb smaller or memory larger"
            )
        return self
