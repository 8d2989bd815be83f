"""`make bench-monitoring`: false alarms and power, cost beside peers, and how many models one Airflow keeps up with."""

from typing import Any

from benchmarks.figures import print_figures, read_small
from benchmarks.monitoring_series import WORLDS
from benchmarks.parts import run_part

KEYS = (
    "iid_false_alarm_rate_max",
    "stationary_alarms_per_year",
    "temperature_shift_power",
    "demand_shift_found_share",
    "demand_shift_delay_days",
    *(f"drift_alarm_years_{name}" for name in WORLDS),
    "drift_growth_found_share_min",
    "drift_growth_false_years_max",
    "rollup_rows_per_second",
    "check_pass_ms_10m",
    "check_pass_ms_1m",
    "evidently_speedup",
    "nannyml_speedup",
    "models_kept_up",
)

FULL = {
    "monitoring_alarms": "",
    "monitoring_cost": "--millions 10",
    "monitoring_airflow": "--models 200 --minutes 6",
}
SMALL = {
    "monitoring_alarms": "--small",
    "monitoring_cost": "--millions 10 --rows-per-million 20000",
    "monitoring_airflow": "--models 5 --minutes 1",
}
"""The parts, each with the options that it is given."""


def main() -> None:
    """Run every part with its table, then print one line of JSON."""
    is_small = read_small(__doc__)
    figures: dict[str, Any] = {}
    for name, options in (SMALL if is_small else FULL).items():
        figures |= run_part(name, options.split())
    print_figures(figures, KEYS, is_small=is_small)


if __name__ == "__main__":
    main()
