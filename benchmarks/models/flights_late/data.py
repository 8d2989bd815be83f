"""The rows of `flights_late`."""

from typing import TYPE_CHECKING

from benchmarks.models.flights import read_flights

if TYPE_CHECKING:
    import pandas as pd

LATE_MINUTES = 15


def read_rows() -> "pd.DataFrame":
    """96 flights a day. Those that never arrived are left out."""
    flights = read_flights()
    return flights.assign(label=flights["arr_delay"] > LATE_MINUTES)
