"""The sections of a `model.yaml`, each with its defaults and what it refuses."""

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
CheckKind = Literal["drift", "error", "estimate", "service"]
Trigger = Literal["error", "error_checks", "drift", "estimate", "service", "request"]
FeatureType = Literal["integer", "number", "category", "boolean", "text"]
Percent = Annotated[int, Field(ge=1, le=100)]

FromList = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""YAML has lists, and a frozen section tuples."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Feature(Section):
    """One input of the model. `range` bounds numbers, inclusive; `values` lists a category's values."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    type: FeatureType
    range: Annotated[tuple[float, float] | None, FromList] = None
    values: Annotated[tuple[str, ...] | None, FromList] = None
    nullable: bool = False
    calendar: bool = False
    """Follows the calendar (hour, weekday, season): it moves by itself, so drift checks leave it out."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_bounds(self)
        return self


class Label(Section):
    """The true value, which arrives about `expected_delay_hours` after the prediction."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    type: Literal["integer", "number", "category", "boolean"]
    range: Annotated[tuple[float, float] | None, FromList] = None
    values: Annotated[tuple[str, ...] | None, FromList] = None
    expected_delay_hours: float = Field(ge=0, le=366 * 24)

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_bounds(self)
        return self


def _check_bounds(field: Feature | Label) -> None:
    if field.range is not None and field.type not in ("integer", "number"):
        raise ValueError(f"range is for type integer and number; {field.name!r} is {field.type}")
    if field.range is not None and field.range[0] >= field.range[1]:
        raise ValueError(f"range {list(field.range)} must have its lower bound first")
    if (field.type == "category") != (field.values is not None):
        raise ValueError(f"values are needed for a category and only there; {field.name!r} is {field.type}")
    if field.values is not None and (not field.values or len(set(field.values)) != len(field.values)):
        raise ValueError(f"values {list(field.values)} must be distinct and not empty")


class CheckRules(Section):
    """When one check fails.

    `limit` is absolute for drift and service, for error and estimate a multiple of the accepted error. Without one,
    drift and error checks fail on what `monitor.alpha` does not call chance.
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
"""Checks whose value is 1 at most."""


CRON = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}


def _is_cron_field(text: str, bounds: tuple[int, int]) -> bool:
    """Like `*`, `5`, `1-5`, `*/10`, or several with commas between them."""
    for part in text.split(","):
        match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/0*[1-9]\d*)?", part)
        if match is None:
            return False
        numbers = [int(number) for number in match.groups() if number]
        if numbers != sorted(numbers) or not all(bounds[0] <= number <= bounds[1] for number in numbers):
            return False
    return True


class Monitor(Section):
    schedule: str = "*/5 * * * *"
    sample_above_rows_per_hour: int = Field(default=100_000, ge=1000)
    """Of an hour with more rows, features are counted on a half, a quarter, … of them, chosen by their ids."""
    drift: dict[Name, CheckRules] = {
        "population_stability": CheckRules(minimum_samples=150),
        "wasserstein": CheckRules(minimum_samples=150),
    }
    """The first sees any change of shape, the second sooner where numbers lie."""
    error: dict[Name, CheckRules] = {}
    """Empty means the task's own: `DEFAULT_ERROR_CHECKS`."""
    estimate: dict[Name, CheckRules] = {"expected_error": CheckRules(limit=1.5)}
    """Before labels are there. The limit is a multiple of the accepted error; a failed one only warns."""
    service: dict[Name, CheckRules] = {
        "failure_share": CheckRules(limit=0.01, window_days=1, minimum_samples=20),
        "latency_p95_ms": CheckRules(limit=500, window_days=1, minimum_samples=20),
        "log_missing_share": CheckRules(limit=0.01, window_days=1, minimum_samples=20),
        "traffic_drop": CheckRules(limit=0.9, window_days=1, minimum_samples=20),
    }
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """The chance in a year of a false alarm: of any drift check, and of each error check without a limit."""
    completeness_floor: float = Field(default=0.95, ge=0, le=1)
    """Drift and error are `no_data` while a smaller share of a window's answered rows is in the log."""

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
        return dict(getattr(self, kind))


class ErrorTrigger(Section):
    """When the error of the version that serves opens an incident."""

    limit: float = Field(default=1.5, gt=1, le=100)
    """Fires when a typical day's error is above so many times the accepted error."""
    window_days: int = Field(default=7, ge=1, le=90)
    minimum_days: int = Field(default=3, ge=1)
    """Labelled whole days of the version that serves, before its error says anything."""

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.minimum_days > self.window_days:
            raise ValueError(
                f"minimum_days {self.minimum_days} is above window_days {self.window_days}: it could never fire"
            )
        return self


class Breaker(Section):
    """Upstream faults on which no retraining starts and a person is told."""

    rejected_share: float = Field(default=0.5, gt=0, lt=1)
    """Of a day's requests, refused because their rows do not fit model.yaml."""
    missing_share: float = Field(default=0.2, gt=0, lt=1)
    """Of a day's values of one feature, missing beyond the share where the version was trained."""
    stuck_rows: int = Field(default=24, ge=2, le=1000)
    """Of two days, if at least so many, all with one value of a feature of type number."""
    silent_days: float = Field(default=3, gt=0, le=366)
    """No label came for so long beyond `label.expected_delay_hours`, though rows were answered."""
    completeness: float = Field(default=0.95, gt=0, le=1)
    """Of a day's answered rows, at least in the log."""


class Retrain(Section):
    triggered_by: Annotated[tuple[Trigger, ...], FromList] = ("error",)
    """`error`: a typical day's error has risen, see `error`. `error_checks`, `drift`, `estimate`, `service`: a check of
    the kind has failed; others warn. `request`: only people and alerts ask; they may always."""
    error: ErrorTrigger = ErrorTrigger()
    maximum_age_days: float | None = Field(default=None, gt=0, le=3660)
    """Retrain a version that serves for so long, whatever its error."""
    minimum_gain: float | None = Field(default=None, gt=0, le=0.9)
    """Retrain when a new version is expected to lower the error by this share, as earlier new versions did."""
    cooldown_days: float = Field(default=10, ge=0, le=366)
    """Counted from the last retraining's end; alarms within it join no incident."""
    cost: float = Field(default=1, gt=0)
    """Of one retraining, in the unit of the budget: hours, euros, or just one."""
    budget_per_week: float = Field(default=2, gt=0)
    pause_after: int = Field(default=2, ge=1, le=10)
    """So many retrainings in a row without gain, or that failed: stop, and tell a person."""
    pause_days: float = Field(default=28, ge=1, le=366)
    breaker: Breaker = Breaker()
    window_days: int | None = Field(default=None, ge=7)
    """Train on the last so many days; null means on everything."""
    half_life_days: float | None = Field(default=None, ge=1)
    """Weights of training rows halve with every so many days of age; null weighs all alike."""
    holdout_days: int = Field(default=5, ge=1, le=90)
    """The newest days: kept from the challenger that the gate scores."""
    folds: int = Field(default=5, ge=2, le=20)
    """Parts of random whole days, each predicted by a sibling fitted on the others: they give the accepted error."""
    minimum_rows: int = Field(default=200, ge=20)
    gate_rule: Literal["refute", "prove"] = "refute"
    """`refute`: a challenger is refused when shown to be worse by more than the margin; `prove`: it passes only when
    shown not to be."""
    gate_margin: float = Field(default=0.02, ge=0, le=0.25)
    """How many times worse than the champion's, beyond 1, a challenger's error may be."""
    slices: Annotated[tuple[str, ...], FromList] = ()
    """Features by whose values the gate compares too."""
    slice_margin: float = Field(default=0.1, ge=0, le=0.5)
    """The margin on each slice."""

    @property
    def triggering_checks(self) -> list[CheckKind]:
        """The kinds of checks whose failure is a reason to retrain."""
        named = {"error" if name == "error_checks" else name for name in self.triggered_by if name != "error"}
        return [kind for kind in get_args(CheckKind) if kind in named]

    @model_validator(mode="after")
    def _check_that_it_can_fire(self) -> Self:
        if not self.triggered_by and self.maximum_age_days is None and self.minimum_gain is None:
            raise ValueError(
                "triggered_by is empty and neither maximum_age_days nor minimum_gain is set: it could never fire;"
                " if only people shall ask, say so with triggered_by: [request]"
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
    """The correction of predictions that is fitted from the newest labels; see `correction.py`."""

    enabled: bool = True
    method: Literal["auto", "ratio", "bias", "prior_shift", "temperature"] = "auto"
    memory_days: int = Field(default=7, ge=2, le=366)
    """Labelled days that it is fitted on."""
    minimum_days: int = Field(default=2, ge=2)
    every_days: int = Field(default=1, ge=1, le=366)
    """A correction of a version is looked for so often: each that is found is a revision of its own."""
    shrinkage_days: float = Field(default=1, ge=0, le=100)
    """Pulled towards no correction as by so many average days on which predictions were right."""

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.minimum_days > self.memory_days:
            raise ValueError(f"minimum_days {self.minimum_days} is above memory_days {self.memory_days}")
        return self


class ReleaseRules(Section):
    rehearsal_requests: int = Field(default=200, ge=0, le=100_000)
    """Logged rows, the newest, that a candidate answers before it has traffic."""
    rehearsal_latency_ms: float = Field(default=500, gt=0)
    """In which 95 % of them have to be answered."""
    steps: Annotated[tuple[Percent, ...], FromList] = (5, 20, 50, 100)
    requests_per_step: int = Field(default=50, ge=1)
    """The candidate answers at least so many requests at a step before it may pass."""
    seconds_per_step: float = Field(default=30, ge=0)
    deadline_minutes: float = Field(default=60, gt=0)
    """A step that is inconclusive for so long ends as `on_deadline` says."""
    on_deadline: Literal["roll_back", "go_on"] = "roll_back"
    """`go_on` waits for `requests_per_step` all the same: a candidate that nobody asked has shown nothing."""
    failure_share_limit: float = Field(default=0.02, ge=0, lt=1)
    """How much more of its requests the candidate may fail than the champion."""
    latency_ratio_limit: float = Field(default=1.4, gt=1, le=100)
    error_ratio_limit: float = Field(default=1.15, gt=1, le=10)
    prediction_shift_limit: float = Field(default=0.5, gt=0, lt=1)
    """Kolmogorov-Smirnov distance between the predictions of both; beyond it the candidate is condemned."""
    lost_share_limit: float = Field(default=0.02, ge=0, lt=1)
    """How much more of its rows the log may lose of the candidate than of the champion."""
    kept_champions: int = Field(default=2, ge=1, le=100)
    """Champions before the present one that one can return to: their revisions and images are kept."""

    @field_validator("steps")
    @classmethod
    def _check_steps(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or list(value) != sorted(set(value)) or value[-1] != 100:
            raise ValueError("steps must rise and end with 100")
        return value


class Serving(Section):
    concurrency: int = Field(default=40, ge=1, le=1000)
    min_instances: int = Field(default=1, ge=0, le=100)
    max_instances: int = Field(default=4, ge=1, le=1000)
    cpu: str = Field(default="1", pattern=r"^(\d+(\.\d+)?|\d+m)$")
    """Of an instance: `"2"` cores, or `500m`, half a one."""
    memory: str = Field(default="512Mi", pattern=r"^\d{1,12}([kMG]|[KMG]i)$")
    max_rows: int = Field(default=1000, ge=1, le=100_000)
    """Rows that one request may carry."""
    durability: Literal["spooled", "committed"] = "spooled"
    """Before an answer leaves, its rows are in the spool file, or in Postgres."""
    spool_mb: int = Field(default=64, ge=1, le=100_000)
    """Disk for rows that wait for Postgres (memory on Cloud Run); beyond it the newest are dropped and counted."""
    accept_created_at: bool = False
    """Let clients set a row's event time: needed to replay history."""

    @model_validator(mode="after")
    def _check_instances(self) -> Self:
        if self.min_instances > self.max_instances:
            raise ValueError(f"min_instances {self.min_instances} is above max_instances {self.max_instances}")
        return self
