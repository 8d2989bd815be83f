"""The labelled rows of a replay, by the day they were created on and the day their labels were known on.

The same days in random order are a world that does not change.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cyclone.errors import DataError
from cyclone.sections import Window
from cyclone.spec import ModelSpec
from cyclone.times import DAY
from training.fit.scores import encode_labels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class History:
    """Labelled rows with everything that a replay asks of them. The oldest row is the first.

    All arrays have one element a row. `days` counts from the day of the first row, which is day 0. `numbers` are the
    labels as numbers. `slices` holds each row's value of the features of `retrain.slices`.
    """

    spec: ModelSpec
    created_at: "pd.Series[Any]"
    features: Any
    labels: "pd.Series[Any]"
    numbers: "Array"
    days: "Array"
    slices: "dict[str, Array]"

    def with_window(self, window: Window) -> "History":
        """The same rows, of which versions are trained on the last `window` days."""
        retrain = self.spec.retrain.model_copy(update={"window_days": window})
        return replace(self, spec=self.spec.model_copy(update={"retrain": retrain}))

    @property
    def first_day(self) -> datetime:
        first: datetime = self.created_at.iloc[0].floor("D").to_pydatetime()
        return first

    @property
    def day_count(self) -> int:
        return int(self.days[-1]) + 1

    def find_day(self, moment: datetime) -> int:
        """The number of the day of a moment."""
        return (moment.astimezone(UTC) - self.first_day).days

    def time_of(self, day: int) -> datetime:
        return self.first_day + day * DAY

    def rows_of(self, first: int, end: int) -> slice:
        """The rows created on the days from `first` to before `end`."""
        import numpy as np

        start, stop = np.searchsorted(self.days, [first, end])
        return slice(int(start), int(stop))

    def find_load(self, day: int) -> int:
        """The day of the last load of labels up to `day`: each `label.load_every_days` from day 0 on, at 00:00 UTC.

        It is `day` itself where labels come one by one.
        """
        every = self.spec.label.load_every_days
        return day - day % every if every else day

    def known_at(self, day: int) -> int:
        """How many of the oldest rows have a label that came before 00:00 UTC of `day`."""
        return self.due_at(self.find_load(day))

    def due_at(self, day: int) -> int:
        """How many of the oldest rows have a label that was due before 00:00 UTC of `day`."""
        newest = self.time_of(day) - timedelta(hours=self.spec.label.expected_delay_hours)
        return int(self.created_at.searchsorted(newest))

    def training_rows(self, day: int) -> slice:
        """The rows of the last `retrain.window_days` whose labels are known at `day`. With `auto` these are all."""
        window = self.spec.retrain.window_days
        start = self.rows_of(0, max(0, day - window)).stop if isinstance(window, int) else 0
        return slice(start, self.known_at(day))

    def shuffle_days(self, seed: int) -> "History":
        """A world that does not change: the same days in random order, with days without rows where they were."""
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
    """The history in a frame with `created_at`, the features and `label`.

    Errors: `DataError` for a frame without rows.
    """
    from cyclone.rows.frames import inputs_from_frame

    if frame.empty:
        raise DataError(
            f"{spec.name}: there is no labelled row to replay. Name a file of rows as history in model.yaml, or choose"
            " a later --to"
        )
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
    """The rows created before `end`, or all rows if `end` is None."""
    return frame if end is None else frame[frame["created_at"] < end]


def find_start(history: History, moment: datetime) -> int:
    """The number of the day of `moment`. Errors: `DataError` unless there are rows before and after it."""
    day = history.find_day(moment)
    if not 0 < day < history.day_count:
        last = history.time_of(history.day_count - 1)
        raise DataError(
            f"{history.spec.name}: {moment:%Y-%m-%d} is no start for a replay. Choose a --from after"
            f" {history.first_day:%Y-%m-%d}, the first day with rows, and not after {last:%Y-%m-%d}, the last one"
        )
    return day
