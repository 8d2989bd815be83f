"""Releases in steady growth, where each fresh version is trained on smaller values than it will serve.

The champion is older still, and corrected each day. Both are told from the truth that the draw knows: how large the
errors are once the level is known. The gate, the first calibration and the rehearsal are those of production.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

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
COLUMNS = ("gate refuses", "rehearsal refuses", "raw: rehearsal refuses", "no calibration")


@dataclass(frozen=True)
class Drawn:
    """A world of labels, and what both versions predict raw for each row."""

    day: "Array"
    label: "Array"
    champion: "Array"
    candidate: "Array"

    def rows(self, predictions: "Array", first: int, end: int) -> LabelledDays:
        return LabelledDays(self.day, self.label, predictions).between(first, end)


def draw_world(rng: "np.random.Generator", growth: float, noise: float) -> Drawn:
    """Days whose level grows. A version knows the hours, and the mean level of the days that it was trained on."""
    import numpy as np

    level = growth ** np.arange(TODAY) * np.exp(rng.normal(0, DAY_SPREAD, TODAY))
    hours = np.tile(100 * (1 + 0.5 * np.sin(np.arange(ROWS) / ROWS * 2 * np.pi)), TODAY)
    label = hours * np.repeat(level, ROWS) * np.exp(rng.normal(0, 0.1, len(hours)))
    fresh = find_trained_until()
    champion = hours * level[:CHAMPION_UNTIL].mean() * np.exp(rng.normal(0, CHAMPION_NOISE, len(hours)))
    candidate = hours * level[fresh - TRAINING_DAYS : fresh].mean() * np.exp(rng.normal(0, noise, len(hours)))
    return Drawn(np.repeat(np.arange(TODAY), ROWS), label, champion, candidate)


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
        known = drawn.rows(drawn.champion, CHAMPION_UNTIL, day - 1)
        found = choose_calibration(spec, known, day).calibration
        own = drawn.rows(drawn.champion, day, day + 1)
        served = found.apply(own.prediction) if found else own.prediction
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


def release_once(spec: ModelSpec, drawn: Drawn) -> list[bool]:
    """What happens to one candidate, as in `COLUMNS`."""
    since, end = find_trained_until(), TODAY - 1
    own = drawn.rows(drawn.candidate, since, end)
    first, corrected = choose_calibration(spec, own, TODAY).calibration, drawn.candidate.copy()
    if first:
        corrected[(drawn.day >= since) & (drawn.day < end)] = answer_other_days(spec, own)
    return [
        not decide_gate(spec, drawn),
        not rehearse(spec, drawn, corrected),
        not rehearse(spec, drawn, drawn.candidate),
        first is None,
    ]


def measure_growth(console: Console, spec: ModelSpec, releases: int) -> dict[str, float]:
    """The shares of candidates that gate and rehearsal refuse, beside the truth."""
    import numpy as np

    table = Table("world", "candidate", *COLUMNS, title=f"{releases} releases in each growing world")
    shares = {}
    for number, (world, growth) in enumerate(GROWTH.items()):
        for kind, noise in CANDIDATES.items():
            drawn = (draw_world(np.random.default_rng([3, number, place]), growth, noise) for place in range(releases))
            shares[world, kind] = np.mean([release_once(spec, each) for each in drawn], axis=0)
            table.add_row(world, kind, *(f"{share:.1%}" for share in shares[world, kind]))
    console.print(table)

    def find_worst(kind: str, column: int, pick: Any) -> float:
        return round(float(pick(share[column] for (_, each), share in shares.items() if each == kind)), 4)

    return {
        "growth_gate_better_refused_max": find_worst("better", 0, max),
        "growth_gate_equal_refused_max": find_worst("as good", 0, max),
        "growth_gate_worse_refused_min": find_worst("worse", 0, min),
        "growth_rehearsal_better_refused_max": find_worst("better", 1, max),
        "growth_rehearsal_equal_refused_max": find_worst("as good", 1, max),
        "growth_rehearsal_worse_refused_min": find_worst("worse", 1, min),
    }
