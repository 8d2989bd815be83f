"""The section `retrain` of a `model.yaml`: what starts a retraining, and how a challenger is judged."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from cyclone.sections.base import FromList, Section
from cyclone.sections.monitoring import CheckKind

Trigger = Literal["gain", "error", "error_checks", "drift", "estimate", "service", "request"]
Window = int | None
"""The days to train on, counted back from the newest. None stands for all days."""


class ErrorTrigger(Section):
    """The rule by which the error of the version that serves opens an incident."""

    limit: float = Field(default=2, gt=1, le=100)
    """The multiple of the accepted error above which a typical day's error fires. A lower limit retrains sooner.

    2 is for sudden harm. With 1.5 the limit asked before refits could show whether a retraining helps: on electricity
    and on the calls of a bank that made 9 useless retrainings of 19, where 2 makes 4 of 14.
    """
    window_days: int = Field(default=7, ge=1, le=90)
    minimum_days: int = Field(default=3, ge=1)
    """The labelled whole days of the version that serves that are needed before its error is judged.

    With fewer, one odd day is much of the evidence. With more, a bad version serves longer.
    """
    minimum_rows: int = Field(default=24, ge=1)
    """The labels of these days, taken together, that are needed before the error is judged.

    A window with fewer reaches further back, by at most as many days.
    The mean of 24 errors is about a fifth off by chance, and `limit` asks for twice the accepted error.
    """

    @property
    def reach_days(self) -> int:
        """The days that a window may reach back to find `minimum_rows` rows, which is as many with a row a day."""
        return max(self.window_days, self.minimum_rows)

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

    triggered_by: Annotated[tuple[Trigger, ...], FromList] = ("gain", "error")
    """What may start a retraining.

    `gain` means that a retraining is worth its price, by `cost_days`. `error` is the limit for sudden harm: a typical
    day's error has risen, by the rule `error`. `error_checks`, `drift`, `estimate` and
    `service` mean that a check of this kind has failed. Failed checks of kinds that are not named only warn. People
    and alerts may always ask, and `request` alone means that nothing else does.
    """
    error: ErrorTrigger = ErrorTrigger()
    maximum_age_days: float | None = Field(default=None, gt=0, le=3660)
    """The days after which a version is retrained, whatever its error. None means never."""
    cost_days: float = Field(default=3, gt=0, le=366)
    """The price of a retraining, in days of accepted error. It is asked for once it has been lost to refits.

    3 means that a retraining costs as much as the accepted error of three days does. A lower price retrains sooner.
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
    window_days: Annotated[int, Field(ge=7)] | Literal["auto"] | None = "auto"
    """The days to train on, counted back from the newest. Null means all days.

    `auto` means all days too, unless refits on the newest 28 or 91 were clearly better in the last four weeks.
    """
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
        if not self.triggered_by and self.maximum_age_days is None:
            raise ValueError(
                "triggered_by is empty and maximum_age_days is not set: it could never fire."
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
        if isinstance(self.window_days, int) and self.window_days - self.holdout_days < self.folds:
            raise ValueError(
                f"holdout_days {self.holdout_days} leaves {max(0, self.window_days - self.holdout_days)} of window_days"
                f" {self.window_days} to train on: folds {self.folds} needs as many"
            )
        if self.gate_margin >= self.error.limit - 1:
            raise ValueError(
                f"gate_margin {self.gate_margin:g} accepts what error.limit {self.error.limit:g} would retrain again"
            )
        return self
