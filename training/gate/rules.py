"""The rules of the gate. Pure functions decide from the losses of champion and challenger on the same rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cyclone.error_ratio import ErrorRatio, compare_days
from cyclone.spec import ModelSpec
from cyclone.wording import count_of, format_number, format_percent

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# The usual level of a one-sided bound. A higher one refuses fewer good challengers and sees less harm.
CONFIDENCE = 0.95
# Below about 20 rows one odd row moves a mean loss. More rows would leave rare values unjudged.
MINIMUM_SLICE_ROWS = 20
# The spread of a slice is measured between its days. One day has none, and two days hardly any.
MINIMUM_SLICE_DAYS = 3


@dataclass(frozen=True)
class GateDecision:
    """Whether a challenger may become a version, with the numbers and the reason.

    Errors and losses are in the unit of the task's metric. The keys of `slices` and `unjudged` are `feature=value`.
    The champion's numbers are None when it was not compared.
    """

    passed: bool
    champion_error: float | None
    challenger_error: float
    rows: int
    reason: str
    days: int = 0
    ratio_lower: float | None = None
    ratio_upper: float | None = None
    slices: Mapping[str, Mapping[str, float]] | None = None
    unjudged: Mapping[str, str] | None = None
    """The slices that are too small to be judged, each with its number of rows and days in words."""


@dataclass(frozen=True)
class PairedLosses:
    """The losses of champion and challenger on the same rows, by the task's metric.

    `day`, `champion` and `challenger` have one element a row. `day` is the number of the row's day.
    `slices` holds for each feature of `retrain.slices` its value in each row.
    """

    day: "Array"
    champion: "Array"
    challenger: "Array"
    slices: "Mapping[str, Array]"


def judge(spec: ModelSpec, losses: PairedLosses) -> GateDecision:
    """Decide by `gate_rule` and `gate_margin` for all rows, and by `slice_margin` for each large enough slice.

    The bounds come from whole days, because rows of one day resemble each other. One day alone shows nothing, so it
    always passes `refute` and never `prove`.
    """
    whole = compare_days(losses.day, losses.champion, losses.challenger, CONFIDENCE)
    retrain = spec.retrain
    bound = whole.lower if retrain.gate_rule == "refute" else whole.upper
    is_met = bound <= 1 + retrain.gate_margin
    judged, unjudged = split_slices(losses)
    slices = compare_slices(losses, judged)
    worse = {name: item for name, item in slices.items() if item.lower > 1 + retrain.slice_margin}
    days = len(set(losses.day.tolist()))
    reason = f"{describe(whole, days)}, {_describe_rule(retrain.gate_rule, retrain.gate_margin, is_met)}"
    return GateDecision(
        is_met and not worse,
        whole.champion_error,
        whole.challenger_error,
        whole.rows,
        reason + _describe_slices(worse, retrain.slice_margin, len(unjudged)),
        days,
        whole.lower,
        whole.upper,
        {name: asdict(item) for name, item in slices.items()},
        unjudged,
    )


def pass_first(challenger_error: float, rows: int) -> GateDecision:
    """The decision on the first version of a model."""
    return GateDecision(True, None, challenger_error, rows, "there is no champion to compare with")


def refuse_unseen(challenger_error: float, rows: int, champion: int, trained_until: datetime) -> GateDecision:
    """The refusal when the champion was trained on every row that was held out from the challenger.

    Only labels of later rows help. Another `holdout_days` does not.
    """
    reason = (
        f"the champion, version {champion}, was trained on all rows up to {trained_until:%Y-%m-%d %H:%M}. The dataset"
        " has no later row, so nothing is left on which both can be compared. Retrain when labels of later rows have"
        " come"
    )
    return GateDecision(False, None, challenger_error, rows, reason)


def refuse_incomparable(challenger_error: float, rows: int, champion: int, missing: list[str]) -> GateDecision:
    """The refusal when model.yaml no longer has features that the champion was trained with."""
    reason = (
        f"the champion, version {champion}, was trained with {', '.join(missing)}, which model.yaml no longer has."
        " Without these values the champion cannot be compared. A version without them would refuse what clients send"
        " today. Put them back into model.yaml, or begin a new model under another name"
    )
    return GateDecision(False, None, challenger_error, rows, reason)


def split_slices(losses: PairedLosses) -> "tuple[dict[str, Array], dict[str, str]]":
    """The slices that can be judged and those that are too small, both by `feature=value`.

    A judged slice is a boolean mask with one element a row. A small one is its number of rows and days in words.
    """
    judged, unjudged = {}, {}
    for feature, values in losses.slices.items():
        for value in sorted(set(values.tolist()), key=str):
            rows = values == value
            count, days = int(rows.sum()), len(set(losses.day[rows].tolist()))
            if count >= MINIMUM_SLICE_ROWS and days >= MINIMUM_SLICE_DAYS:
                judged[f"{feature}={value}"] = rows
            else:
                unjudged[f"{feature}={value}"] = f"{count_of(count, 'row')} of {count_of(days, 'day')}"
    return judged, unjudged


def compare_slices(losses: PairedLosses, judged: "Mapping[str, Array]") -> dict[str, ErrorRatio]:
    """The ratio and its bounds in each slice.

    All slices together may refuse wrongly as seldom as the rule for all rows. So each bound gets an equal part of
    that error probability (Bonferroni).
    """
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(judged))
    return {
        name: compare_days(losses.day[rows], losses.champion[rows], losses.challenger[rows], confidence)
        for name, rows in judged.items()
    }


def describe(found: ErrorRatio, days: int) -> str:
    """A ratio in words, as `error 9 against the champion's 10 on 120 rows of 5 days: 0.9 × (0.82 to 0.97)`."""
    return (
        f"error {format_number(found.challenger_error)} against the champion's {format_number(found.champion_error)}"
        f" on {count_of(found.rows, 'row')} of {count_of(days, 'day')}: {format_number(found.ratio)} ×"
        f" ({format_number(found.lower)} to {format_number(found.upper)})"
    )


def _describe_rule(rule: str, margin: float, is_met: bool) -> str:
    words = {
        ("refute", True): "not shown to be more than {} worse",
        ("refute", False): "shown to be more than {} worse",
        ("prove", True): "shown not to be more than {} worse",
        ("prove", False): "not shown to be at most {} worse",
    }
    return words[rule, is_met].format(format_percent(margin))


def _describe_slices(worse: Mapping[str, ErrorRatio], margin: float, unjudged: int) -> str:
    words = ""
    if worse:
        shown = [f"{name} ({format_number(item.ratio)} × on {item.rows} rows)" for name, item in worse.items()]
        words = f", and shown to be more than {format_percent(margin)} worse where {', '.join(shown)}"
    if unjudged:
        limits = f"{MINIMUM_SLICE_ROWS} rows or {MINIMUM_SLICE_DAYS} days"
        words += f". Not judged: {count_of(unjudged, 'slice')} of fewer than {limits}"
    return words
