"""The labelled rows of a replay: which were known on a day, which were created on it, and the same days shuffled."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cyclone.errors import DataError
from cyclone.spec import ModelSpec
from cyclone.times import DAY
from training.fit.scores import encode_labels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class History:
    """Labelled rows, the oldest first, with all that a replay asks of them; `days` counts from the first row's day."""

    spec: ModelSpec
    created_at: "pd.Series[Any]"
    features: Any
    labels: "pd.Series[Any]"
    numbers: "Array"
    days: "Array"
    slices: "dict[str, Array]"

    @property
    def first_day(self) -> datetime:
        first: datetime = self.created_at.iloc[0].floor("D").to_pydatetime()
        return first

    @property
    def day_count(self) -> int:
        return int(self.days[-1]) + 1

    def time_of(self, day: int) -> datetime:
        return self.first_day + day * DAY

    def rows_of(self, first: int, end: int) -> slice:
        """The rows created on the days from `first` to before `end`."""
        import numpy as np

        start, stop = np.searchsorted(self.days, [first, end])
        return slice(int(start), int(stop))

    def known_at(self, day: int) -> int:
        """How many of the oldest rows have a label before 00:00 of `day`."""
        newest = self.time_of(day) - timedelta(hours=self.spec.label.expected_delay_hours)
        return int(self.created_at.searchsorted(newest))

    def training_rows(self, day: int) -> slice:
        """What is known at `day` of the last `retrain.window_days`."""
        window = self.spec.retrain.window_days
        start = 0 if window is None else self.rows_of(0, max(0, day - window)).stop
        return slice(start, self.known_at(day))

    def shuffle_days(self, seed: int) -> "History":
        """The same days in random order, gaps where they were: a world that does not change."""
        import numpy as np
        import pandas as pd

        present, counts = np.unique(self.days, return_counts=True)
        order = np.random.default_rng(seed).permutation(len(present))
        rows = np.concatenate([np.flatnonzero(self.days == present[place]) for place in order])
        days = np.repeat(present, counts[order])
        moved = pd.to_timedelta(days - self.days[rows], unit="D")
        created_at = pd.Series((self.created_at.iloc[rows] + moved).to_numpy(), dtype=self.created_at.dtype)
        features = self.features[rows] if hasattr(self.features, "dtype") else self.features.iloc[rows]
        labels = self.labels.iloc[rows].reset_index(drop=True)
        slices = {name: values[rows] for name, values in self.slices.items()}
        return History(self.spec, created_at, features, labels, self.numbers[rows], days, slices)


def build_history(spec: ModelSpec, frame: "pd.DataFrame") -> History:
    """From a frame with `created_at`, the features and `label`. Errors: `DataError` for a frame without rows."""
    from cyclone.rows.frames import inputs_from_frame

    if frame.empty:
        raise DataError(f"{spec.name}: there is no labelled row to replay")
    frame = frame.sort_values("created_at", kind="stable").reset_index(drop=True)
    day = frame["created_at"].dt.floor("D")
    return History(
        spec=spec,
        created_at=frame["created_at"].astype("datetime64[us, UTC]"),
        features=inputs_from_frame(spec, frame),
        labels=frame["label"],
        numbers=encode_labels(spec, frame["label"]),
        days=((day - day.iloc[0]).dt.days).to_numpy(),
        slices={name: frame[name].astype(str).to_numpy() for name in spec.retrain.slices},
    )


def cut_history(frame: "pd.DataFrame", end: datetime | None) -> "pd.DataFrame":
    """The rows before `end`."""
    return frame if end is None else frame[frame["created_at"] < end]


def find_start(history: History, moment: datetime) -> int:
    """The day of `moment`. Errors: `DataError` when the history does not reach around it."""
    day = (moment.astimezone(UTC) - history.first_day).days
    if not 0 < day < history.day_count:
        last = history.time_of(history.day_count - 1)
        raise DataError(
            f"{history.spec.name}: {moment:%Y-%m-%d} is no start for a replay: rows are there from"
            f" {history.first_day:%Y-%m-%d} to {last:%Y-%m-%d}, and some must be known before it"
        )
    return day
