"""`make bench-gate`: how often the gate and the recalibration are wrong, in worlds whose truth is known.

Days have chances of their own, which the rows of a day share. Each rule stands beside the one that it replaced, on the
same draws: a bootstrap of days for the gate, and any lower mean error for the recalibration.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import print_figures, read_small
from benchmarks.growth import measure_growth
from cyclone.calibration.fitting import (
    LabelledDays,
    answer_other_days,
    choose_calibration,
    choose_method,
    fit_calibration,
)
from cyclone.losses import measure_losses
from cyclone.spec import ModelSpec
from training.gate.rules import PairedLosses, judge

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

ROWS = 24
"""Rows a day, one an hour."""
HOLDOUT_DAYS = 5
"""The default of `retrain.holdout_days`, where few days make bounds hardest."""
BOOTSTRAP_DRAWS = 500
WORSE = 1.14
"""How much worse the challenger is whose acceptance is counted: enough to matter, and within one week's chance."""
DAYS = 60
FIRST_DAY = 20
"""The first day on which a calibration may serve. What is before only teaches it."""
LATE_DAYS = 5
"""How much later than expected labels come where they are late."""
FULL, SMALL = (2000, 25, 200), (40, 1, 2)
"""Gates and runs of `DAYS` days in each world, and releases of each candidate in each growing world."""


@dataclass(frozen=True)
class GateWorld:
    """How the level of a day's labels moves over the days. `is_steady` when no correction can help."""

    name: str
    is_steady: bool
    draw: "Callable[[np.random.Generator, int], Array]"


def draw_normal(rng: "np.random.Generator", days: int, spread: float = 0.15) -> "Array":
    import numpy as np

    return np.exp(rng.normal(0, spread, days))


def draw_heavy(rng: "np.random.Generator", days: int) -> "Array":
    import numpy as np

    return np.exp(0.1 * rng.standard_t(3, days))


def draw_autocorrelated(rng: "np.random.Generator", days: int) -> "Array":
    """A third of a day's chance carries over to the next."""
    import numpy as np

    steps = rng.normal(0, 0.15, days)
    for day in range(1, days):
        steps[day] = steps[day - 1] / 3 + 0.94 * steps[day]
    return np.exp(steps)


def draw_week(_: "np.random.Generator", days: int) -> "Array":
    import numpy as np

    return np.where(np.arange(days) % 7 >= 5, 0.8, 1.08)


def draw_jump(rng: "np.random.Generator", days: int, spread: float = 0.0) -> "Array":
    """A rise to 1.4 in the middle."""
    import numpy as np

    return np.where(np.arange(days) < days // 2, 1.0, 1.4) * draw_normal(rng, days, spread)


def draw_growth(_: "np.random.Generator", days: int) -> "Array":
    import numpy as np

    return np.asarray(1.01 ** np.arange(days))


WORLDS = (
    GateWorld("independent days", True, draw_normal),
    GateWorld("heavy tails", True, draw_heavy),
    GateWorld("autocorrelated days", True, draw_autocorrelated),
    GateWorld("weekends", True, draw_week),
    GateWorld("a jump", False, draw_jump),
    GateWorld("a jump, days differ", False, partial(draw_jump, spread=0.1)),
    GateWorld("growth", False, draw_growth),
)


def main() -> None:
    """Draw, print the tables, and end with one line of JSON."""
    is_small = read_small(__doc__)
    gates, runs, releases = SMALL if is_small else FULL
    console = Console()
    figures = {
        **measure_gate(console, gates),
        **measure_recalibration(console, runs),
        **measure_growth(console, build_spec("refute"), releases),
    }
    print_figures(figures, is_small=is_small)


def measure_gate(console: Console, gates: int) -> dict[str, float]:
    """The shares of gates that decide wrongly: a good challenger refused, one at the margin or a worse one passed."""
    import numpy as np

    refute, prove = build_spec("refute"), build_spec("prove")
    edge = 1 + prove.retrain.gate_margin
    columns = ("equal, refused", "at the margin, proved", "bootstrap: proved", f"{WORSE - 1:.0%} worse, proved")
    table = Table(title=f"{gates} gates of {HOLDOUT_DAYS} days in each world: how many are wrong")
    table.add_column("world")
    for column in columns:
        table.add_column(column, justify="right")
    worst = dict.fromkeys(columns, 0.0)
    for number, world in enumerate(WORLDS):
        wrong = np.zeros(len(columns))
        for place in range(gates):
            rng = np.random.default_rng([1, number, place])
            equal, margin, worse = (draw_gate(rng, world, refute, factor) for factor in (1.0, edge, WORSE))
            wrong += [
                not judge(refute, equal).passed,
                judge(prove, margin).passed,
                find_bootstrap_upper(rng, margin) <= edge,
                judge(prove, worse).passed,
            ]
        shares = dict(zip(columns, wrong / gates, strict=True))
        worst = {name: max(worst[name], float(share)) for name, share in shares.items()}
        table.add_row(world.name, *(f"{share:.1%}" for share in shares.values()))
    console.print(table)
    names = ("gate_equal_refused_max", "gate_margin_proved_max", "bootstrap_margin_proved_max", "gate_worse_proved_max")
    return {name: round(share, 4) for name, share in zip(names, worst.values(), strict=True)}


def draw_gate(rng: "np.random.Generator", world: GateWorld, spec: ModelSpec, factor: float) -> PairedLosses:
    """A hold-out of two versions whose days have chances of their own, each corrected as the gate corrects it.

    The challenger's losses are `factor` times those of a version that is as good as the champion.
    """
    import numpy as np

    day = np.repeat(np.arange(HOLDOUT_DAYS), ROWS)
    shape, label = draw_labels(rng, world.draw(rng, HOLDOUT_DAYS))
    losses = []
    for _ in range(2):
        raw = shape * np.exp(rng.normal(0, 0.1, HOLDOUT_DAYS)[day] + rng.normal(0, 0.2, len(day)))
        losses.append(measure_losses(spec, label, answer_other_days(spec, LabelledDays(day, label, raw))))
    return PairedLosses(day, losses[0], factor * losses[1], {})


def draw_labels(rng: "np.random.Generator", levels: "Array") -> "tuple[Array, Array]":
    """What a version that knows the hours expects, and the labels: expected × the day's level × a row's own chance."""
    import numpy as np

    hours = 100 * (1 + 0.5 * np.sin(np.arange(ROWS) / ROWS * 2 * np.pi))
    shape = np.tile(hours, len(levels))
    return shape, shape * np.repeat(levels, ROWS) * np.exp(rng.normal(0, 0.1, len(shape)))


def find_bootstrap_upper(rng: "np.random.Generator", losses: PairedLosses) -> float:
    """The upper 95 % bound of the ratio by drawing whole days again. Source: Efron & Tibshirani 1993, chapter 8."""
    import numpy as np

    sums = np.stack([np.bincount(losses.day, weights=each) for each in (losses.champion, losses.challenger)])
    drawn = sums[:, rng.integers(0, HOLDOUT_DAYS, (BOOTSTRAP_DRAWS, HOLDOUT_DAYS))].sum(axis=2)
    return float(np.quantile(drawn[1] / drawn[0], 0.95, method="nearest"))


def measure_recalibration(console: Console, runs: int) -> dict[str, float]:
    """On how many days a calibration serves, and what it makes of the error, beside a rule without a bound."""
    spec = build_spec("refute")
    figures: dict[str, float] = {}
    for name, late_days in (("recalibration", 0), ("recalibration_late", LATE_DAYS)):
        late = f", labels {late_days} days late" if late_days else ""
        table = Table(title=f"Recalibration, {runs} runs of {DAYS} days in each world{late}")
        for column in ("world", "days served", "error", "any lower error: days served", "error"):
            table.add_column(column, justify="left" if column == "world" else "right")
        steady: list[tuple[float, float, float]] = []
        shifted: list[tuple[float, float, float]] = []
        for number, world in enumerate(WORLDS):
            found = [replay(spec, world, [2, number, place], late_days) for place in range(runs)]
            served, error, loose, loose_error = (sum(part) / runs for part in zip(*found, strict=True))
            table.add_row(world.name, f"{served:.1%}", f"× {error:.3f}", f"{loose:.1%}", f"× {loose_error:.3f}")
            (steady if world.is_steady else shifted).append((served, error, error / loose_error))
        console.print(table)
        figures |= {
            f"{name}_luck_share_max": round(max(served for served, _, _ in steady), 4),
            f"{name}_luck_error_max": round(max(error for _, error, _ in steady), 4),
            f"{name}_shift_error_max": round(max(error for _, error, _ in shifted), 4),
            f"{name}_shift_error_against_no_bound_max": round(max(ratio for _, _, ratio in shifted), 4),
        }
    return figures


def replay(spec: ModelSpec, world: GateWorld, seed: list[int], late_days: int = 0) -> tuple[float, float, float, float]:
    """One version day by day, under the real rule and under the one without a bound.

    Labels come `late_days` later than the spec expects. For each rule: the share of days with a calibration, and the
    error as a multiple of the raw one.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), ROWS)
    shape, label = draw_labels(rng, world.draw(rng, DAYS))
    rows = LabelledDays(day, label, shape * np.exp(rng.normal(0, 0.1, len(day))))
    served, errors, raw = [0, 0], [0.0, 0.0], 0.0
    for today in range(FIRST_DAY, DAYS):
        own = rows.between(today, today + 1)
        raw += float(measure_losses(spec, own.label, own.prediction).sum())
        end = today - spec.label.wait_days - late_days
        choice = choose_calibration(spec, rows.between(0, end), today)
        is_lower = choice.error_with is not None and choice.error_with < (choice.error_without or 0)
        known = rows.between(end - spec.recalibrate.memory_days, end)
        loose = fit_calibration(choose_method(spec), spec.recalibrate, known) if is_lower else None
        for place, calibration in enumerate((choice.calibration, loose)):
            answers = calibration.apply(own.prediction) if calibration else own.prediction
            served[place] += calibration is not None
            errors[place] += float(measure_losses(spec, own.label, answers).sum())
    days = DAYS - FIRST_DAY
    return served[0] / days, errors[0] / raw, served[1] / days, errors[1] / raw


def build_spec(rule: str) -> ModelSpec:
    """A regression whose labels are known after a day, with the defaults of everything else."""
    return ModelSpec.model_validate(
        {
            "name": "simulated",
            "task": "regression",
            "features": [{"name": "x", "type": "number"}],
            "label": {"name": "y", "type": "number", "range": [0, 1e6], "expected_delay_hours": 24},
            "retrain": {"gate_rule": rule},
        }
    )


if __name__ == "__main__":
    main()
