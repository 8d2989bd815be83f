"""How often the monitor raises a false alarm, and what it finds: its decisions on resampled hours and days of 2011.

The reference, its null distributions, the verdicts and the decisions are made by the code that runs in production.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from benchmarks.figures import print_figures, read_small
from benchmarks.monitoring_growth import measure_growth
from benchmarks.monitoring_reference import (
    MODEL,
    WINDOW_DAYS,
    Array,
    Reference,
    build_reference,
    find_mean,
    read_rows,
)
from benchmarks.monitoring_series import measure_worlds, print_worlds
from benchmarks.monitoring_worlds import DEMAND, FOUND_WITHIN_DAYS, build_world, measure_demand, measure_year
from cyclone.rows.frames import inputs_from_frame
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, load_model_spec
from training.fit.model_code import load_builder
from training.fit.null_distributions import count_days
from training.fit.profile import Subject, place_rows
from training.fit.scores import predict

WINDOW_ROWS = 168
"""The rows of the window in which power is measured: a week of hours."""
SHIFT = 0.25
"""How far the temperature is moved, in standard deviations."""
NOMINAL = 0.05
"""The promised rate of a false alarm in one window."""


@dataclass(frozen=True)
class AlarmsSize:
    """How much is drawn. `WINDOW_ROWS` is one of the `windows`, because power is measured there."""

    windows: Sequence[int]
    """The sizes of windows, in rows."""
    draws: int
    references: int
    worlds: int
    years: int
    """Simulated years of each world of `monitoring_series`."""


FULL = AlarmsSize((50, 100, WINDOW_ROWS, 500, 1000, 2500, 10_000), draws=400, references=8, worlds=48, years=40)
SMALL = AlarmsSize((50, WINDOW_ROWS), draws=10, references=2, worlds=2, years=2)


def draw_windows(
    reference: Reference, rows: pd.DataFrame, predictions: Array, shape: tuple[int, int], rng: np.random.Generator
) -> list[dict[str, Array]]:
    """Windows of rows that are drawn one by one, as counts by subject and bin. `shape` is (windows, rows of each)."""
    draws, _ = shape
    chosen = rng.integers(0, len(rows), shape)
    counts = {}
    for subject in reference.subjects:
        values = predictions if subject.name == "prediction" else rows[subject.name]
        placed = count_days(Subject(subject.bins, place_rows(subject.bins, values)), np.arange(len(rows)))[1]
        place = placed.argmax(axis=1)[chosen] + placed.shape[1] * np.arange(draws)[:, None]
        counts[subject.name] = np.bincount(place.ravel(), minlength=draws * placed.shape[1]).reshape(draws, -1)
    return [{name: values[draw] for name, values in counts.items()} for draw in range(draws)]


def spread_over_days(rows: pd.DataFrame, rows_a_day: float) -> pd.DataFrame:
    """The rows, as if so many came a day."""
    start = pd.Timestamp("2011-01-01", tz="UTC")
    return rows.assign(created_at=start + pd.to_timedelta(np.arange(len(rows)) * 24 / rows_a_day, unit="h"))


def measure_independent(spec: ModelSpec, rows: pd.DataFrame, estimator: Any, size: AlarmsSize) -> dict[str, Any]:
    """False alarms and power on rows that are independent of each other, in one window at the nominal rate."""
    rng = np.random.default_rng(1)
    rows = rows.iloc[rng.permutation(len(rows))].reset_index(drop=True)
    # The source rounds temperatures to 1/41 of their scale. Without these steps a shift is as large as it says.
    rows["temperature"] = rows["temperature"] + rng.uniform(-0.01, 0.01, len(rows))
    predictions = predict(spec, estimator, inputs_from_frame(spec, rows))
    checks = spec.monitor.drift
    without_minimum = {name: check.model_copy(update={"minimum_samples": 1}) for name, check in checks.items()}
    figures: dict[str, Any] = {"alarm_rates": {}, "without_minimum": {}, "power": []}
    for window_rows in size.windows:
        alarms: list[Array] = []
        for _ in range(size.references):
            # The reference is a sample too, drawn from the same rows as the windows.
            known = rng.integers(0, len(rows), len(rows))
            trained = spread_over_days(rows.iloc[known], window_rows / WINDOW_DAYS)
            reference = build_reference(spec, trained, predictions[known], NOMINAL)
            windows = draw_windows(reference, rows, predictions, (size.draws, window_rows), rng)
            judged = [
                [bool(reference.judge_drift(window, chosen)) for chosen in (checks, without_minimum)]
                for window in windows
            ]
            alarms.append(np.mean(judged, axis=0))
            if window_rows == WINDOW_ROWS:
                figures["power"].append(measure_power(spec, reference, rows, estimator, size.draws, rng))
        rates = map(find_mean, zip(*alarms, strict=True))
        figures["alarm_rates"][window_rows], figures["without_minimum"][window_rows] = rates
    figures["power"] = {name: find_mean(values) for name, values in pd.DataFrame(figures["power"]).items()}
    return figures


def measure_power(
    spec: ModelSpec, reference: Reference, rows: pd.DataFrame, estimator: Any, draws: int, rng: np.random.Generator
) -> dict[str, float]:
    """The share of windows in which a moved temperature is found: by an alarm of any subject, and by its own name."""
    power = {}
    for name, sign in (("warmer", 1), ("colder", -1)):
        moved = rows.assign(temperature=rows["temperature"] + sign * SHIFT * rows["temperature"].std())
        inputs = inputs_from_frame(spec, moved)
        windows = draw_windows(reference, moved, predict(spec, estimator, inputs), (draws, WINDOW_ROWS), rng)
        failed = [reference.judge_drift(window, spec.monitor.drift) for window in windows]
        power[f"{name}, any alarm"] = float(np.mean([bool(names) for names in failed]))
        power[f"{name}, by name"] = float(np.mean(["temperature" in names for names in failed]))
    return power


def measure_alarms(size: AlarmsSize) -> dict[str, Any]:
    """Every figure of this part, by its key in the line of JSON."""
    # On shared cores the threads of one fit mostly wait for each other, and seconds become minutes.
    with threadpool_limits(1):
        return _measure_all(size)


def _measure_all(size: AlarmsSize) -> dict[str, Any]:
    spec = load_model_spec(MODEL)
    rows = read_rows(spec)
    estimator = load_builder(Settings(), spec)().fit(inputs_from_frame(spec, rows), rows["label"])
    independent = measure_independent(spec, rows, estimator, size)
    worlds = [build_world(spec, rows, seed) for seed in range(size.worlds)]
    year, demand = measure_year(spec, worlds), measure_demand(spec, worlds)
    print_tables(independent, year, demand)
    simulated = measure_worlds(size.years)
    print_worlds(simulated)
    grown = measure_growth(size.years)
    return {
        "iid_false_alarm_rate_max": max(rate.value for rate in independent["alarm_rates"].values()),
        "stationary_alarms_per_year": year["retrainings"].value,
        "temperature_shift_power": float(
            np.mean([power.value for name, power in independent["power"].items() if name.endswith("any alarm")])
        ),
        "demand_shift_found_share": demand["share"].value,
        "demand_shift_delay_days": demand["delay_days"],
        **{f"drift_alarm_years_{name}": found.years_with_alarm.value for name, found in simulated.items()},
        **grown,
    }


def print_tables(independent: dict[str, Any], year: dict[str, Any], demand: dict[str, Any]) -> None:
    """Print the rates, the power, and what happened in the years."""
    console = Console()
    table = Table("rows", "any alarm", "without minimum_samples", title=f"Independent rows, nominal {NOMINAL:.0%}")
    for window_rows, rate in independent["alarm_rates"].items():
        table.add_row(f"{window_rows:,}", rate.percent, independent["without_minimum"][window_rows].percent)
    console.print(table)
    table = Table("temperature", "found", title=f"Moved by {SHIFT} standard deviations, {WINDOW_ROWS} rows")
    for name, power in independent["power"].items():
        table.add_row(name, power.percent)
    console.print(table)
    asked = year["retrainings"]
    console.print(
        f"A stationary year, {year['looks']:,} looks at {year['windows']} windows:"
        f" {asked.value:.2f} ± {asked.error:.2f} retrainings asked for."
        f" Drift fails on {year['drift_days']:.2f} days, in {year['years_with_drift']:.0%} of years."
        f" An error check fails on {year['error_days']:.2f} days, in {year['years_with_error']:.0%} of years."
    )
    console.print(
        f"Demand × {DEMAND}: within {FOUND_WITHIN_DAYS} days found in {demand['share'].percent} of {demand['tries']}"
        f" cases, after {demand['delay_days']:.1f} days on average. An error check fails in {demand['warned']:.0%}."
        " (± is a standard error, of references or worlds.)"
    )


if __name__ == "__main__":
    small = read_small(__doc__)
    print_figures(measure_alarms(SMALL if small else FULL), is_small=small)
