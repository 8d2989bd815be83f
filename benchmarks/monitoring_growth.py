"""Drift in steady growth: one number rises day by day, in the rows of the training too, and the others do not.

What is true is known: the number that grows moves away from its reference, and with it the prediction. Every alarm of
another subject is false.
"""

from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.monitoring_reference import WINDOW_DAYS, Mean, build_reference, find_mean
from benchmarks.monitoring_series import SPEC, YEAR, Series, draw_numbers, find_failed, make_frame, predict_mean
from cyclone.checks.chance import alpha_of_window

SERIES = Series(60, day_share=0.5)
GROWTH = {"1 sd a month": 1 / 30, "1 sd a quarter": 1 / 90}
"""By how much a day the first number rises."""
GROWN = {"number_0", "prediction"}
"""What truly moves. The prediction is the mean of the numbers."""


@dataclass(frozen=True)
class Grown:
    """What drift found in the years of one rate of growth."""

    found: Mean
    """The share of years in which the number that grows fails."""
    delay_days: float
    """The median of the days since the training until it does. Infinite where most years do not find it."""
    false_years: Mean
    """The share of years in which a subject fails that does not grow."""


def measure_rate(rise: float, years: int) -> Grown:
    """Years in which the first number rises by so much a day, from the first day of the reference on."""
    delays, false = [], []
    for seed in range(years):
        numbers = draw_numbers(SERIES, SERIES.reference_days + YEAR + WINDOW_DAYS - 1, np.random.default_rng(seed))
        numbers[..., 0] += rise * np.arange(len(numbers))[:, None]
        trained = make_frame(numbers[: SERIES.reference_days])
        reference = build_reference(SPEC, trained, predict_mean(trained), alpha_of_window(SPEC.monitor.alpha))
        failed = find_failed(reference, make_frame(numbers[SERIES.reference_days :]))
        found = [place for place, subjects in enumerate(failed) if "number_0" in subjects]
        delays.append(found[0] + WINDOW_DAYS if found else float("inf"))
        false.append(any(subjects - GROWN for subjects in failed))
    return Grown(find_mean(delay < float("inf") for delay in delays), float(np.median(delays)), find_mean(false))


def measure_growth(years: int) -> dict[str, float]:
    """The worst share found and the worst share of years with a false alarm, with a table of both."""
    title = f"A number grows, reference of {SERIES.reference_days} days"
    table = Table("growth", "found", "days until then", "years with another alarm", title=title)
    rates = {name: measure_rate(rise, years) for name, rise in GROWTH.items()}
    for name, grown in rates.items():
        table.add_row(name, grown.found.percent, f"{grown.delay_days:.0f}", grown.false_years.percent)
    Console(width=140).print(table)
    return {
        "drift_growth_found_share_min": min(grown.found.value for grown in rates.values()),
        "drift_growth_false_years_max": max(grown.false_years.value for grown in rates.values()),
    }
