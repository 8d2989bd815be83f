"""Releases in steady growth, where each fresh version is trained on smaller values than it will serve.

The champion is older still, and corrected each day. Both are told from the truth that the draw knows: how large the
errors are once the level is known. The gate, the first calibration, the rehearsal and the canary are those of
production. The canary's requests are independent, and their errors are as those of the day of the release.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.canary_worlds import INDEPENDENT, SimulatedCandidate
from benchmarks.release_canary import run_trial
from cyclone.calibration.correction import Calibration
from cyclone.calibration.fitting import LabelledDays, answer_other_days, choose_calibration
from cyclone.errors import RehearsalError
from cyclone.losses import measure_losses
from cyclone.spec import ModelSpec
from releasing.rehearsal import check_limits, summarize
from training.gate.rules import PairedLosses, judge

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

ROWS = 24
"""Rows a day, one an hour."""
TODAY = 60
"""The day of the release. Labels are known of the days before yesterday."""
CHAMPION_UNTIL = 30
"""The day before which the champion was trained. It has been corrected for a month."""
TRAINING_DAYS = 30
DAY_SPREAD = 0.05
GROWTH = {"slow growth": 1.002, "growth": 1.01, "fast growth": 1.03}
"""What a day's level is multiplied with: 6 %, 35 % and 143 % a month."""
CHAMPION_NOISE = 0.2
"""How far, as a logarithm, the champion misses a row whose level it knows."""
CANDIDATES = {"better": 0.15, "as good": 0.2, "worse": 0.3}
"""The same of the candidates. With a row's own chance their errors are 0.80, 1 and 1.41 of the champion's."""
START = datetime(2011, 1, 1, tzinfo=UTC)
RELEASE_DRAWS = 100
"""How often the rows of the release's day are drawn. So the errors that both serve with are hardly of chance."""
CANARIES = 30
"""How many of the releases in each world of each candidate are brought to the canary. One takes a third of a second."""
COLUMNS = ("gate", "rehearsal", "if raw", "raw", "error", "canary")
CAPTION = (
    "Refused by the gate, by the rehearsal, by one of raw answers. Served raw, with which error over the champion's."
    " Condemned by the canary."
)


@dataclass(frozen=True)
class Drawn:
    """A world of labels, and what both versions predict raw for each row.

    The days from `TODAY` on are the day of the release, drawn again and again. No label of them is known before.
    """

    day: "Array"
    label: "Array"
    champion: "Array"
    candidate: "Array"

    def rows(self, predictions: "Array", first: int, end: int) -> LabelledDays:
        return LabelledDays(self.day, self.label, predictions).between(first, end)


def draw_world(rng: "np.random.Generator", growth: float, noise: float) -> Drawn:
    """Days whose level grows. A version knows the hours, and the mean level of the days that it was trained on."""
    import numpy as np

    days = np.minimum(np.arange(TODAY + RELEASE_DRAWS), TODAY)
    level = (growth ** np.arange(TODAY + 1) * np.exp(rng.normal(0, DAY_SPREAD, TODAY + 1)))[days]
    hours = np.tile(100 * (1 + 0.5 * np.sin(np.arange(ROWS) / ROWS * 2 * np.pi)), len(days))
    label = hours * np.repeat(level, ROWS) * np.exp(rng.normal(0, 0.1, len(hours)))
    fresh = find_trained_until()
    champion = hours * level[:CHAMPION_UNTIL].mean() * np.exp(rng.normal(0, CHAMPION_NOISE, len(hours)))
    candidate = hours * level[fresh - TRAINING_DAYS : fresh].mean() * np.exp(rng.normal(0, noise, len(hours)))
    return Drawn(np.repeat(np.arange(len(days)), ROWS), label, champion, candidate)


def find_trained_until(holdout_days: int = 5) -> int:
    """The day before which the candidate was trained: what is known today, without the hold-out."""
    return TODAY - 1 - holdout_days


def decide_gate(spec: ModelSpec, drawn: Drawn) -> bool:
    """Whether the gate lets the candidate pass on the hold-out, both corrected."""
    both = [drawn.rows(raw, find_trained_until(), TODAY - 1) for raw in (drawn.champion, drawn.candidate)]
    losses = [measure_losses(spec, rows.label, answer_other_days(spec, rows)) for rows in both]
    return judge(spec, PairedLosses(both[0].day, losses[0], losses[1], {})).passed


def rehearse(spec: ModelSpec, drawn: Drawn, answers: "Array") -> bool:
    """Whether the rehearsal lets these answers pass, beside what the champion served on the same rows."""
    rows, given = [], []
    since = find_trained_until()
    for day in range(TODAY - 1 - spec.release.rehearsal_requests // ROWS, TODAY - 1):
        own = drawn.rows(drawn.champion, day, day + 1)
        served = answer(own, find_champion_calibration(spec, drawn, day))
        created_at = START + timedelta(days=day)
        rows += [
            {"created_at": created_at, "label": float(label), "champion_prediction": float(value)}
            for label, value in zip(own.label, served, strict=True)
        ]
        given += [float(value) for value in answers[drawn.day == day]]
    try:
        check_limits(spec, summarize(rows, given, [1.0], START + timedelta(days=since, microseconds=-1)))
    except RehearsalError:
        return False
    return True


def find_champion_calibration(spec: ModelSpec, drawn: Drawn, day: int) -> Calibration | None:
    """What the champion is corrected with on a day, from the labels that are known then."""
    return choose_calibration(spec, drawn.rows(drawn.champion, CHAMPION_UNTIL, day - 1), day).calibration


def answer(rows: LabelledDays, calibration: Calibration | None) -> "Array":
    return calibration.apply(rows.prediction) if calibration else rows.prediction


@dataclass(frozen=True)
class SimulatedRelease:
    """What happens to one candidate. `error_ratio` is its error over the champion's, as both serve on the day."""

    gate_refuses: bool
    rehearsal_refuses: bool
    raw_refused: bool
    is_raw: bool
    error_ratio: float

    @property
    def has_canary(self) -> bool:
        return not self.gate_refuses and not self.rehearsal_refuses


def release_once(spec: ModelSpec, drawn: Drawn) -> SimulatedRelease:
    """Bring one candidate up to its canary."""
    since, end = find_trained_until(), TODAY - 1
    own = drawn.rows(drawn.candidate, since, end)
    first, corrected = choose_calibration(spec, own, TODAY).calibration, drawn.candidate.copy()
    if first:
        corrected[(drawn.day >= since) & (drawn.day < end)] = answer_other_days(spec, own)
    calibrations = find_champion_calibration(spec, drawn, TODAY), first
    served = [drawn.rows(raw, TODAY, len(drawn.day)) for raw in (drawn.champion, drawn.candidate)]
    errors = [
        measure_losses(spec, rows.label, answer(rows, each)).sum()
        for rows, each in zip(served, calibrations, strict=True)
    ]
    return SimulatedRelease(
        gate_refuses=not decide_gate(spec, drawn),
        rehearsal_refuses=not rehearse(spec, drawn, corrected),
        raw_refused=not rehearse(spec, drawn, drawn.candidate),
        is_raw=first is None,
        error_ratio=float(errors[1] / errors[0]),
    )


def is_condemned(spec: ModelSpec, release: SimulatedRelease, seed: int) -> bool:
    """Whether the canary condemns a candidate with the errors that it serves with."""
    candidate = SimulatedCandidate("released", is_good=True, worse=release.error_ratio)
    return run_trial(spec.release, INDEPENDENT, candidate, seed) == "condemned"


Released = dict[tuple[str, str], list[SimulatedRelease]]
"""The releases of each candidate in each world."""
Canaries = list[tuple[SimulatedRelease, bool]]
"""Releases, each with whether the canary condemned it."""


def measure_growth(console: Console, spec: ModelSpec, releases: int) -> dict[str, float]:
    """The shares of candidates that gate, rehearsal and canary refuse, beside the truth."""
    import numpy as np

    table = Table("world", "candidate", *COLUMNS, title=f"{releases} releases in each growing world", caption=CAPTION)
    released: Released = {}
    canaries: Canaries = []
    for number, (world, growth) in enumerate(GROWTH.items()):
        for kind, noise in CANDIDATES.items():
            rngs = (np.random.default_rng([3, number, place]) for place in range(releases))
            found = released[world, kind] = [release_once(spec, draw_world(rng, growth, noise)) for rng in rngs]
            judged = [
                (each, is_condemned(spec, each, seed)) for seed, each in enumerate(found[:CANARIES]) if each.has_canary
            ]
            table.add_row(world, kind, *describe(found, judged))
            canaries += judged
    console.print(table)
    return summarize_refusals(released) | summarize_served(spec, released, canaries)


def describe(found: list[SimulatedRelease], judged: Canaries) -> list[str]:
    """The cells of one candidate in one world."""
    shares = [
        [getattr(each, name) for each in found]
        for name in ("gate_refuses", "rehearsal_refuses", "raw_refused", "is_raw")
    ]
    raw = [each.error_ratio for each in found if each.is_raw]
    return [
        *(f"{find_mean(share):.1%}" for share in shares),
        f"{find_mean(raw):.2f}" if raw else "",
        f"{sum(condemned for _, condemned in judged)} of {len(judged)}",
    ]


def summarize_refusals(released: Released) -> dict[str, float]:
    """The worst shares over the worlds."""

    def find_worst(kind: str, name: str, pick: Any) -> float:
        worlds = [found for (_, each), found in released.items() if each == kind]
        return round(float(pick(find_mean([getattr(item, name) for item in found]) for found in worlds)), 4)

    return {
        "growth_gate_better_refused_max": find_worst("better", "gate_refuses", max),
        "growth_gate_equal_refused_max": find_worst("as good", "gate_refuses", max),
        "growth_gate_worse_refused_min": find_worst("worse", "gate_refuses", min),
        "growth_rehearsal_better_refused_max": find_worst("better", "rehearsal_refuses", max),
        "growth_rehearsal_equal_refused_max": find_worst("as good", "rehearsal_refuses", max),
        "growth_rehearsal_worse_refused_min": find_worst("worse", "rehearsal_refuses", min),
    }


def summarize_served(spec: ModelSpec, released: Released, canaries: Canaries) -> dict[str, float]:
    """How rehearsal and canary treat candidates that serve no larger errors than they allow, over all worlds."""
    every = [each for found in released.values() for each in found]
    allowed = [each for each in every if each.error_ratio <= 1 + spec.retrain.gate_margin]
    within = [condemned for each, condemned in canaries if each.error_ratio <= spec.release.error_ratio_limit]
    return {
        "growth_rehearsal_within_margin_refused": round(find_mean([each.rehearsal_refuses for each in allowed]), 4),
        "growth_canary_within_limit_condemned": round(find_mean(within), 4),
    }


def find_mean(values: list[Any]) -> float:
    return sum(values) / len(values) if values else 0.0
