"""The rules of the gate: what the losses of champion and challenger on the same rows allow. Pure functions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cyclone.decisions import format_number
from cyclone.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

DRAWS = 2000
SEED = 20110101
CONFIDENCE = 0.95
MINIMUM_SLICE_ROWS = 20


@dataclass(frozen=True)
class Comparison:
    """The challenger's mean error over the champion's on the same rows; `lower` and `upper` are one-sided bounds."""

    champion_error: float
    challenger_error: float
    ratio: float
    lower: float
    upper: float
    rows: int


@dataclass(frozen=True)
class GateDecision:
    """Whether a challenger may become a version, and the numbers that say so. Slices: `feature=value` each."""

    passed: bool
    champion_error: float | None
    challenger_error: float
    rows: int
    reason: str
    days: int = 0
    ratio_lower: float | None = None
    ratio_upper: float | None = None
    slices: Mapping[str, Mapping[str, float]] | None = None


@dataclass(frozen=True)
class PairedLosses:
    """Losses of both on the same rows, by the task's metric; `day` numbers the day of each row.

    `slices`: feature → its value in each row, for `retrain.slices`.
    """

    day: "Array"
    champion: "Array"
    challenger: "Array"
    slices: "Mapping[str, Array]"


def judge(spec: ModelSpec, losses: PairedLosses) -> GateDecision:
    """Hold the whole to `gate_margin` by `gate_rule`, and each slice to `slice_margin`.

    Days are drawn again, as rows of one day are alike; one day alone gives no bounds, and its ratio counts.
    """
    whole = compare(losses.day, losses.champion, losses.challenger)
    retrain = spec.retrain
    allowed = 1 + retrain.gate_margin
    bound = whole.lower if retrain.gate_rule == "refute" else whole.upper
    slices = {name: asdict(item) for name, item in compare_slices(losses).items()}
    worse = [name for name, item in slices.items() if item["lower"] > 1 + retrain.slice_margin]
    passed = bound <= allowed and not worse
    days = len(set(losses.day.tolist()))
    reason = f"{describe(whole, days)}; {_describe_rule(retrain.gate_rule, retrain.gate_margin, bound <= allowed)}"
    if worse:
        numbers = [(name, format_number(slices[name]["ratio"]), slices[name]["rows"]) for name in worse]
        shown = ", ".join(f"{name} ({ratio} × on {rows} rows)" for name, ratio, rows in numbers)
        reason += f"; shown to be more than {retrain.slice_margin:.0%} worse where {shown}".replace("%", " %")
    return GateDecision(
        passed,
        whole.champion_error,
        whole.challenger_error,
        whole.rows,
        reason,
        days,
        whole.lower,
        whole.upper,
        slices,
    )


def pass_first(challenger_error: float, rows: int) -> GateDecision:
    """The decision on the first version of a model."""
    return GateDecision(True, None, challenger_error, rows, "there is no champion to compare with")


def compare(day: "Array", champion: "Array", challenger: "Array") -> Comparison:
    """A paired block bootstrap by day (Künsch 1989; Efron & Tibshirani 1993, ch. 8): both keep their rows of a day.

    >>> import numpy as np
    >>> found = compare(np.array([0, 0, 1]), np.array([2.0, 2.0, 2.0]), np.array([1.0, 1.0, 1.0]))
    >>> found.ratio, found.lower, found.upper
    (0.5, 0.5, 0.5)
    """
    import numpy as np

    _, place = np.unique(day, return_inverse=True)
    sums = np.stack([np.bincount(place, weights=losses) for losses in (champion, challenger)])
    ratio = _divide(sums[1].sum(), sums[0].sum())
    drawn = np.random.default_rng(SEED).integers(0, sums.shape[1], (DRAWS, sums.shape[1]))
    champions, challengers = sums[0][drawn].sum(axis=1), sums[1][drawn].sum(axis=1)
    ratios = np.array([_divide(above, below) for above, below in zip(challengers, champions, strict=True)])
    lower, upper = np.quantile(ratios, [1 - CONFIDENCE, CONFIDENCE], method="nearest")
    return Comparison(
        float(champion.mean()), float(challenger.mean()), ratio, float(lower), float(upper), len(champion)
    )


def compare_slices(losses: PairedLosses) -> dict[str, Comparison]:
    """Every value of the configured features that has at least `MINIMUM_SLICE_ROWS` rows."""
    found = {}
    for feature, values in losses.slices.items():
        for value in sorted(set(values.tolist()), key=str):
            rows = values == value
            if rows.sum() >= MINIMUM_SLICE_ROWS:
                found[f"{feature}={value}"] = compare(losses.day[rows], losses.champion[rows], losses.challenger[rows])
    return found


def describe(found: Comparison, days: int) -> str:
    """E.g. `error 9 against the champion's 10 on 120 rows of 5 days: 0.9 × (0.82 to 0.97)`."""
    return (
        f"error {format_number(found.challenger_error)} against the champion's {format_number(found.champion_error)}"
        f" on {found.rows} rows of {days} {'day' if days == 1 else 'days'}: {format_number(found.ratio)} ×"
        f" ({format_number(found.lower)} to {format_number(found.upper)})"
    )


def _describe_rule(rule: str, margin: float, is_met: bool) -> str:
    words = {
        ("refute", True): "not shown to be more than {} worse",
        ("refute", False): "shown to be more than {} worse",
        ("prove", True): "shown not to be more than {} worse",
        ("prove", False): "not shown to be at most {} worse",
    }
    return words[rule, is_met].format(f"{margin:.0%}".replace("%", " %"))


def _divide(above: float, below: float) -> float:
    """1 where both are 0, a large number where only the champion is: numbers that JSON can hold."""
    if below > 0:
        return float(above / below)
    return 1.0 if above <= 0 else 1e9
