"""`make bench-monitoring`: false alarms and power, cost beside peers, and how many models one Airflow keeps up with."""

import json

from rich.console import Console

from benchmarks.monitoring_airflow import measure_fleets
from benchmarks.monitoring_alarms import measure_alarms
from benchmarks.monitoring_cost import build_table, measure_cost

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
MILLIONS = (10,)
"""`python -m benchmarks.monitoring_cost` goes on to thirty."""
FLEETS = (200,)
MINUTES = 6


def main() -> None:
    """Every part with its table, then one line of JSON."""
    figures = measure_alarms()
    cost = measure_cost(MILLIONS)
    Console(width=110).print(build_table(cost))
    figures |= cost | measure_fleets(FLEETS, MINUTES)
    print(json.dumps({key: figures[key] for key in KEYS}))


if __name__ == "__main__":
    main()
