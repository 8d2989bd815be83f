"""What a retraining is worth: the version that serves beside fresh refits of it, and the price of a retraining.

A refit is what a retraining would have made. It is scored on the days after its training, and never serves. The rule
is that of renting or buying skis: buy once the rent that was paid would have bought them. The rent is what the version
that serves has lost against refits. Whatever comes, the cost of that rule is at most twice that of the best schedule.
Two things are added, with which this is no promise any more: a look ahead, and a test whether the loss may be chance.
Source: Karlin et al., *Competitive snoopy caching*, 1988.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cyclone.policy.facts import RefitDay, ServingVersion
from cyclone.sections import Retrain, Window
from cyclone.times import DAY, floor_day
from cyclone.wording import count_of, format_number

REFIT_DAYS = 3
"""How long a refit is scored before the next one, in days.

A refit every day would cost three times as much. With a week, a change would be seen days later.
"""
MOST_REFIT_DAYS = 24
"""The longest that a refit is scored before the next one. A refit that is older is no fresh one any more."""
REFIT_SHARE = 0.01
"""The most of all time that refits may take. Where a training takes longer, each refit is scored on more days."""
WINDOWS: tuple[Window, ...] = (None, 28, 91)
"""The windows of training that `window_days: auto` chooses among: all days, four weeks, and a season."""
LOOK_AHEAD_DAYS = 7
"""For how many days the present rate is expected to go on. What a version is about to lose counts as lost."""
RATE_DAYS = 7
"""The newest scored days whose mean is the present rate. A week has each weekday once."""
LEAST_DAYS = 3
"""The scored days of a version that are needed before it is judged. With fewer, one odd day is most of the evidence."""
STANDARD_ERRORS = 1.5
"""By how many standard errors the expected loss has to be above 0. Days differ by chance.

With none, one odd day of a model with a row a day starts a retraining. With 2, a version that really loses is kept for
longer, which costs more than the retrainings that are saved.
"""
WINDOW_MARGIN = 0.05
"""By how much a shorter window has to be better than all days. Less is often chance."""
PICK_DAYS = 28
"""The newest scored days on which windows are compared. Four weeks have four of each weekday."""


@dataclass(frozen=True)
class Excess:
    """What the version that serves has lost against refits, in days of its accepted error.

    `debt` is the sum over its `days` scored days. `rate` is what it loses a day now. `window` is that of the refits.
    `daily_noise` is by how much the loss of a day differs by chance.
    """

    window: Window
    days: int
    debt: float
    rate: float
    daily_noise: float = 0.0

    @property
    def is_by_chance(self) -> bool:
        """Whether the expected loss may be chance. Each of the newest days counts in the debt and in the rate."""
        newest = min(self.days, RATE_DAYS)
        weight = self.days - newest + newest * (1 + LOOK_AHEAD_DAYS / newest) ** 2
        return self.expected < STANDARD_ERRORS * self.daily_noise * math.sqrt(weight)

    @property
    def expected(self) -> float:
        """What is lost by the end of the look-ahead, if nothing is done."""
        return self.debt + LOOK_AHEAD_DAYS * self.rate


def find_refit_days(seconds: float) -> int | None:
    """For how many days a refit is scored if it takes so many seconds. None where trainings are too dear for refits.

    >>> find_refit_days(1.0), find_refit_days(3600.0), find_refit_days(86400.0)
    (3, 6, None)
    """
    stretches = math.ceil(seconds / REFIT_SHARE / (REFIT_DAYS * DAY.total_seconds()))
    days = REFIT_DAYS * max(1, stretches)
    return days if days <= MOST_REFIT_DAYS else None


def list_windows(retrain: Retrain) -> tuple[Window, ...]:
    """The windows of training to try: those of `auto`, or the one of `model.yaml`."""
    return WINDOWS if retrain.window_days == "auto" else (retrain.window_days,)


def choose_window(retrain: Retrain, days: Sequence[RefitDay]) -> Window:
    """The window of training whose refits had the lowest error on the newest scored days. The oldest day is the first.

    It is the first of `list_windows` unless another one was better by more than `WINDOW_MARGIN`. A window that was not
    scored on one of the days, as too few rows were in it, is not chosen.
    """
    usual, *others = list_windows(retrain)
    newest = [day for day in days[-PICK_DAYS:] if usual in day.refit_errors]
    scored = [window for window in others if newest and all(window in day.refit_errors for day in newest)]
    totals = {window: sum(day.refit_errors[window] for day in newest) for window in (usual, *scored)}
    best = min(totals, key=lambda window: totals[window])
    return best if totals[best] < (1 - WINDOW_MARGIN) * totals[usual] else usual


def find_excess(retrain: Retrain, champion: ServingVersion, days: Sequence[RefitDay]) -> Excess | None:
    """What the version that serves has lost against refits of the window that is best now.

    None while fewer than `LEAST_DAYS` of its days are scored. Where the accepted error is 0, any loss is infinite.
    """
    window, since = choose_window(retrain, days), floor_day(champion.promoted_at)
    own = [day for day in days if day.version == champion.version and day.start >= since]
    losses = [_find_loss(window, day) for day in own if window in day.refit_errors]
    if len(losses) < LEAST_DAYS:
        return None
    newest, noise = losses[-RATE_DAYS:], _measure_noise(window, days[-max(len(own), PICK_DAYS) :])
    found = (_in_days(total, champion.accepted_error) for total in (sum(losses), sum(newest) / len(newest), noise))
    return Excess(window, len(losses), *found)


def _measure_noise(window: Window, days: Sequence[RefitDay]) -> float:
    """By how much the loss of a day differs by chance: the standard deviation, from days that follow each other.

    A lasting change is one step among many, and hardly counts. Only steps within a version do.
    Source: von Neumann, *Distribution of the ratio of the mean square successive difference to the variance*, 1941.
    """
    pairs = [
        (before, after)
        for before, after in pairwise(days)
        if before.version == after.version and window in before.refit_errors and window in after.refit_errors
    ]
    steps = [_find_loss(window, after) - _find_loss(window, before) for before, after in pairs]
    return math.sqrt(sum(step**2 for step in steps) / (2 * len(steps))) if steps else math.inf


def _find_loss(window: Window, day: RefitDay) -> float:
    return day.error - day.refit_errors[window]


def pays(retrain: Retrain, excess: Excess) -> bool:
    """Whether a retraining is worth its price now.

    A version that loses nothing any more is kept, whatever it has lost before. So is one whose loss may be chance.
    """
    return excess.rate > 0 and excess.expected >= retrain.cost_days and not excess.is_by_chance


def describe_excess(retrain: Retrain, champion: ServingVersion, excess: Excess) -> str:
    """What the version has lost and what a retraining costs, as a sentence.

    >>> from datetime import UTC, datetime
    >>> champion = ServingVersion(3, datetime(2011, 2, 1, tzinfo=UTC), "log_loss", 0.2)
    >>> describe_excess(Retrain(), champion, Excess(None, 12, 2.0, 0.25))
    'version 3 lost 2 days of accepted log_loss to refits in 12 days and loses 0.25 a day now: by 7 days on that is \
3.75, and a retraining costs 3'
    """
    debt = f"{format_number(excess.debt)} days of accepted {champion.metric}"
    lost = f"lost {debt} to refits in {count_of(excess.days, 'day')}"
    now = f"loses {format_number(excess.rate)} a day now"
    sums = f"by {LOOK_AHEAD_DAYS} days on that is {format_number(excess.expected)}"
    return f"version {champion.version} {lost} and {now}: {sums}, and a retraining costs {retrain.cost_days:g}"


def describe_change(retrain: Retrain, excess: Excess) -> str:
    """What would make a retraining pay, as a clause.

    >>> describe_change(Retrain(), Excess(None, 12, 1.0, 0.05)), describe_change(Retrain(), Excess(None, 12, 1.0, -0.1))
    ('at this rate one pays in 33 days', 'none pays while refits are no better')
    >>> describe_change(Retrain(), Excess(None, 12, 3.0, 0.5, daily_noise=2.0))
    'days differ so much that this may be chance: more days will show'
    """
    if excess.rate <= 0:
        return "none pays while refits are no better"
    if excess.expected >= retrain.cost_days:
        return "days differ so much that this may be chance: more days will show"
    days = (retrain.cost_days - excess.expected) / excess.rate
    return f"at this rate one pays in {count_of(max(1, round(days)), 'day')}"


def _in_days(loss: float, accepted_error: float) -> float:
    if accepted_error > 0:
        return loss / accepted_error
    return float("inf") if loss > 0 else 0.0
