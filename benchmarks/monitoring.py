"""`make bench-monitoring`: false alarms and power, cost beside peers, and how many models one Airflow keeps up with."""

from dataclasses import dataclass

from rich.console import Console

from benchmarks import monitoring_alarms
from benchmarks.figures import print_figures, read_small
from benchmarks.monitoring_airflow import measure_fleets
from benchmarks.monitoring_alarms import measure_alarms
from benchmarks.monitoring_cost import MILLION, build_table, measure_cost

KEYS = (
    "iid_false_alarm_rate_max",
    "stationary_alarms_per_year",
    "temperature_shift_power",
    "demand_shift_found_share",
    "demand_shift_delay_days",
    "rollup_rows_per_second",
    "check_pass_ms_10m",
    "check_pass_ms_1m",
    "evidently_speedup",
    "nannyml_speedup",
    "models_kept_up",
)


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    alarms: monitoring_alarms.Size
    rows_per_million: int
    models: int
    minutes: int


MILLIONS = (10,)
"""`python -m benchmarks.monitoring_cost` goes on to thirty."""
FULL = Size(monitoring_alarms.FULL, MILLION, models=200, minutes=6)
SMALL = Size(monitoring_alarms.SMALL, 20_000, models=5, minutes=1)


def main() -> None:
    """Every part with its table, then one line of JSON."""
    is_small = read_small(__doc__)
    size = SMALL if is_small else FULL
    figures = measure_alarms(size.alarms)
    cost = measure_cost(MILLIONS, size.rows_per_million)
    Console(width=110).print(build_table(cost))
    figures |= cost | measure_fleets((size.models,), size.minutes)
    print_figures(figures, KEYS, is_small=is_small)


if __name__ == "__main__":
    main()
