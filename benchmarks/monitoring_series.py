"""Years of simulated traffic in which nothing changes, and shifts in it: how often drift fails, and how soon.

The worlds are those that real traffic is like and that resampled rows are not: days whose rows are alike, days that
follow each other, heavy tails, a season. The reference, its null distributions and the verdicts are made by the code
that runs in production, on rows that are drawn anew for every year.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.monitoring_reference import WINDOW_DAYS, Array, Mean, Reference, build_reference, count_rows, find_mean
from cyclone.checks.chance import alpha_of_window
from cyclone.spec import ModelSpec

YEAR = 365
ROWS_A_DAY = 24
NUMBERS = 4
COLOURS = ("red", "green", "blue", "grey")
BOUNDS = (-0.5, 0.5, 1.5)
"""Where a fifth normal number becomes the next colour. So colours depend on days as the numbers do."""
FOUND_WITHIN_DAYS = 28
SHIFTS = {"0.5 sd": 0.5, "1 sd": 1.0, "2 sd": 2.0, "10 points": 0.0}
"""By how much the first number moves. By the last, a tenth of all rows change to one colour instead."""
SPEC = ModelSpec.model_validate(
    {
        "name": "simulated",
        "task": "regression",
        "features": [
            *({"name": f"number_{place}", "type": "number"} for place in range(NUMBERS)),
            {"name": "colour", "type": "category", "values": list(COLOURS)},
        ],
        "label": {"name": "label", "type": "number", "expected_delay_hours": 0},
    }
)


@dataclass(frozen=True)
class Series:
    """A world: a row's number is its day's effect and its own, of standard deviation 1 together.

    `day_share` is the share of the variance between days. `memory` is the correlation of a day's effect with that of
    the day before. `season_share` is the share of the days' variance that a yearly wave has. `tail` is the law of rows:
    `normal`, `student` with 2 degrees of freedom, or `lognormal`.
    """

    reference_days: int
    day_share: float = 0.0
    memory: float = 0.0
    season_share: float = 0.0
    tail: str = "normal"
    is_day_heavy: bool = False
    """Whether the days' effects have Student's t with 3 degrees of freedom."""


WORLDS = {
    "independent_60": Series(60),
    "independent_180": Series(180),
    "student_rows_60": Series(60, tail="student"),
    "lognormal_rows_180": Series(180, tail="lognormal"),
    "days_alike_60": Series(60, day_share=0.5),
    "days_alike_180": Series(180, day_share=0.5),
    "heavy_days_180": Series(180, day_share=0.5, is_day_heavy=True),
    "memory_07_60": Series(60, day_share=0.5, memory=0.7),
    "memory_07_180": Series(180, day_share=0.5, memory=0.7),
    "memory_09_365": Series(365, day_share=0.5, memory=0.9),
    "season_365": Series(365, day_share=0.5, memory=0.5, season_share=0.6),
    "half_season_180": Series(180, day_share=0.5, memory=0.5, season_share=0.6),
}
"""The worlds, by a name that ends with the days of the reference."""


def draw_numbers(series: Series, days: int, rng: np.random.Generator) -> Array:
    """The numbers of so many days, shape (days, rows of a day, numbers), the last of which stands for the colour."""
    shape = (days, NUMBERS + 1)
    steps = rng.standard_t(3, shape) / 3**0.5 if series.is_day_heavy else rng.standard_normal(shape)
    effects = np.empty(shape)
    effects[0] = steps[0]
    for day in range(1, days):
        effects[day] = series.memory * effects[day - 1] + (1 - series.memory**2) ** 0.5 * steps[day]
    wave = np.sin(2 * np.pi * (np.arange(days)[:, None] / YEAR + np.arange(NUMBERS + 1) / (NUMBERS + 1)))
    effects = (1 - series.season_share) ** 0.5 * effects + (2 * series.season_share) ** 0.5 * wave
    own = rng.standard_normal((days, ROWS_A_DAY, NUMBERS + 1))
    if series.tail == "student":
        own[..., :NUMBERS] = rng.standard_t(2, (days, ROWS_A_DAY, NUMBERS))
    if series.tail == "lognormal":
        own[..., :NUMBERS] = np.exp(1.5 * own[..., :NUMBERS])
    return series.day_share**0.5 * effects[:, None, :] + (1 - series.day_share) ** 0.5 * own


def make_frame(numbers: Array) -> pd.DataFrame:
    rows = numbers.reshape(-1, NUMBERS + 1)
    frame = pd.DataFrame(rows[:, :NUMBERS], columns=[f"number_{place}" for place in range(NUMBERS)])
    frame["colour"] = np.array(COLOURS)[np.searchsorted(BOUNDS, rows[:, NUMBERS])]
    start = pd.Timestamp("2010-01-01", tz="UTC")
    frame["created_at"] = start + pd.to_timedelta(np.arange(len(rows)) * 24 / ROWS_A_DAY, unit="h")
    return frame


def predict_mean(frame: pd.DataFrame) -> Array:
    """The mean of the numbers of each row. It stands for a model."""
    return frame[[f"number_{place}" for place in range(NUMBERS)]].to_numpy().mean(axis=1)


def find_failed(reference: Reference, frame: pd.DataFrame) -> list[set[str]]:
    """The subjects that fail after each day, from the first whole window on."""
    day = np.arange(len(frame)) // ROWS_A_DAY
    counts = count_rows(reference, frame, predict_mean(frame), day)
    windows = {
        name: np.lib.stride_tricks.sliding_window_view(values, WINDOW_DAYS, axis=0).sum(axis=-1)
        for name, values in counts.items()
    }
    checks = reference.spec.monitor.drift
    return [
        reference.judge_drift({name: values[place] for name, values in windows.items()}, checks)
        for place in range(len(frame) // ROWS_A_DAY - WINDOW_DAYS + 1)
    ]


def find_alarms(reference: Reference, frame: pd.DataFrame) -> Array:
    """Whether drift fails after each day, from the first whole window on, shape (windows,)."""
    return np.array([bool(subjects) for subjects in find_failed(reference, frame)])


def find_delay(reference: Reference, numbers: Array, shift: str, deviation: float, rng: np.random.Generator) -> float:
    """Days from a shift to the first alarm. Infinite beyond `FOUND_WITHIN_DAYS`."""
    days = WINDOW_DAYS + FOUND_WITHIN_DAYS
    frame = make_frame(numbers[:days])
    since = np.arange(len(frame)) >= WINDOW_DAYS * ROWS_A_DAY
    frame.loc[since, "number_0"] += SHIFTS[shift] * deviation
    if shift == "10 points":
        frame.loc[since & (rng.random(len(frame)) < 0.1), "colour"] = COLOURS[-1]
    alarms = find_alarms(reference, frame)[1:]
    return float(alarms.argmax() + 1) if alarms.any() else float("inf")


@dataclass(frozen=True)
class Found:
    """What drift found in the years of one world."""

    years_with_alarm: Mean
    alarm_days: Mean
    """Days a year on which drift fails."""
    shifts: dict[str, tuple[Mean, float]]
    """By shift, the share that was found, and the median delay in days. It is infinite where most were not found."""


def measure_series(series: Series, years: int, shifts: Collection[str] = tuple(SHIFTS)) -> Found:
    """Years in which nothing changes, each with its own reference, and in each of them every shift at the beginning."""
    alarm_days = []
    delays: dict[str, list[float]] = {shift: [] for shift in shifts}
    for seed in range(years):
        rng = np.random.default_rng(seed)
        numbers = draw_numbers(series, series.reference_days + YEAR + WINDOW_DAYS - 1, rng)
        known, later = numbers[: series.reference_days], numbers[series.reference_days :]
        trained = make_frame(known)
        reference = build_reference(SPEC, trained, predict_mean(trained), alpha_of_window(SPEC.monitor.alpha))
        alarm_days.append(float(find_alarms(reference, make_frame(later)).sum()))
        # Heavy tails have no standard deviation to speak of. The middle of the numbers has one.
        deviation = float(np.subtract(*np.quantile(known[..., 0], [0.84, 0.16])) / 2)
        for shift in shifts:
            delays[shift].append(find_delay(reference, later, shift, deviation, rng))
    return Found(
        years_with_alarm=find_mean(days > 0 for days in alarm_days),
        alarm_days=find_mean(alarm_days),
        shifts={
            shift: (find_mean(delay < float("inf") for delay in found), float(np.median(found)))
            for shift, found in delays.items()
        },
    )


def measure_worlds(years: int) -> dict[str, Found]:
    return {name: measure_series(series, years) for name, series in WORLDS.items()}


def print_worlds(worlds: dict[str, Found]) -> None:
    table = Table("world", "years with an alarm", "alarm days", *SHIFTS, title="Simulated years, found and after days")
    for name, found in worlds.items():
        shifts = [f"{share.value:.0%}, {delay:.0f}" for share, delay in found.shifts.values()]
        table.add_row(name, found.years_with_alarm.percent, f"{found.alarm_days.value:.2f}", *shifts)
    Console(width=140).print(table)
