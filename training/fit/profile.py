"""The reference profile: how features and predictions were distributed where a version was trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cyclone.checks.distances import MISSING, UNKNOWN
from cyclone.sections import Feature
from cyclone.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

Bounds = tuple[float | None, float | None, str | None]
NUMBER_BINS = 15
"""More than the usual ten: they see a quarter of a standard deviation better, see benchmarks/monitoring_alarms.py."""
COUNTED_INTEGERS = 12
"""Integers of at most so many different values get one bin a value."""


@dataclass(frozen=True)
class Bin:
    """A bin of one subject, a feature or the prediction, numbered from 0; `MISSING` counts nulls.

    Numbers: lower <= x < upper, None at an open end; the first and the last bin lie beyond all numbers that were seen.
    Categories and booleans: `category`, booleans as in JSON.
    """

    feature: str
    bin: int
    lower_bound: float | None
    upper_bound: float | None
    category: str | None
    count: int
    is_calendar: bool
    expected_error: float | None = None
    """Of a bin of the prediction: see `training/fit/expected_errors.py`."""


@dataclass(frozen=True)
class Subject:
    """The bins of a feature or of the prediction, and the number of the bin that each row fell into."""

    bins: list[Bin]
    rows: "Array"

    @property
    def name(self) -> str:
        return self.bins[0].feature

    @property
    def is_calendar(self) -> bool:
        return self.bins[0].is_calendar


def build_profile(spec: ModelSpec, features: "pd.DataFrame", predictions: "Array") -> list[Subject]:
    """Every feature but texts, and `prediction`; a multiclass prediction is its likeliest class."""
    known = [feature for feature in spec.features if feature.type != "text"]
    return [
        *(_bin_feature(feature, features[feature.name]) for feature in known),
        _bin_predictions(spec, predictions),
    ]


def place_rows(bins: Sequence[Bin], values: "Any") -> "Array":
    """The number of the bin that each of a subject's values falls into, new ones among them."""
    import numpy as np
    import pandas as pd

    places = [item for item in bins if item.bin != MISSING]
    column = pd.Series(values)
    if places and places[0].category is None:
        numbers = column.to_numpy(dtype="float64", na_value=float("nan"))
        edges = np.array([item.lower_bound for item in places[1:]], dtype="float64")
        return np.where(np.isnan(numbers), MISSING, np.searchsorted(edges, numbers, side="right"))
    names: dict[Any, int] = {item.category: item.bin for item in places}
    texts = column.map({False: "false", True: "true"}) if column.dtype == "bool" else column
    return np.array([MISSING if pd.isna(text) else names.get(text, UNKNOWN) for text in texts])


def name_predicted(spec: ModelSpec, predictions: "Array") -> Any:
    """What is binned of predictions: numbers as they are, and of a multiclass prediction its likeliest class."""
    if spec.task != "multiclass":
        return predictions
    names = list(spec.label.values or ())
    return [names[place] for place in predictions.argmax(axis=1)]


def find_edges(values: "Array", is_integer: bool) -> list[float]:
    """The inner edges of the bins: one bin a value for few integers, else bins of about equal counts.

    >>> import numpy as np
    >>> find_edges(np.array([1, 1, 2, 4]), is_integer=True)
    [2.0, 4.0]
    """
    import numpy as np

    distinct = np.unique(values)
    if is_integer and len(distinct) <= COUNTED_INTEGERS:
        return [float(value) for value in distinct[1:]]
    shares = np.linspace(0, 1, NUMBER_BINS + 1)[1:-1]
    edges = np.unique(np.quantile(values, shares))
    return [float(edge) for edge in edges if edge > distinct[0]]


def _bin_feature(feature: Feature, column: "pd.Series[Any]") -> Subject:
    if feature.type in ("integer", "number"):
        values = column.to_numpy(dtype="float64", na_value=float("nan"))
        return _bin_numbers(feature.name, values, feature.type == "integer", feature.calendar, may_miss=True)
    names = ["false", "true"] if feature.type == "boolean" else list(feature.values or ())
    texts = column.map({False: "false", True: "true"}) if feature.type == "boolean" else column
    known = [None if missing else str(text) for text, missing in zip(texts, column.isna(), strict=True)]
    return _bin_categories(feature.name, known, names, feature.calendar, may_miss=True)


def _bin_predictions(spec: ModelSpec, predictions: "Array") -> Subject:
    if spec.task != "multiclass":
        return _bin_numbers("prediction", predictions, is_integer=False, is_calendar=False, may_miss=False)
    predicted = name_predicted(spec, predictions)
    return _bin_categories("prediction", predicted, list(spec.label.values or ()), is_calendar=False, may_miss=False)


def _bin_numbers(name: str, values: "Array", is_integer: bool, is_calendar: bool, may_miss: bool) -> Subject:
    import numpy as np

    known = values[~np.isnan(values)]
    if not len(known):
        return _count(name, [], np.full(len(values), MISSING), is_calendar, may_miss)
    beyond = np.nextafter(known.max(), np.inf)
    edges = [float(known.min()), *find_edges(known, is_integer), float(beyond)]
    rows = np.where(np.isnan(values), MISSING, np.searchsorted(edges, values, side="right"))
    bounds = [(lower, upper, None) for lower, upper in pairwise([None, *edges, None])]
    return _count(name, bounds, rows, is_calendar, may_miss)


def _bin_categories(
    name: str, values: Sequence[str | None], categories: list[str], is_calendar: bool, may_miss: bool
) -> Subject:
    import numpy as np

    places: dict[str | None, int] = {None: MISSING, **{name: place for place, name in enumerate(categories)}}
    rows = np.array([places.get(value, UNKNOWN) for value in values])
    return _count(name, [(None, None, category) for category in categories], rows, is_calendar, may_miss)


def _count(
    name: str,
    bounds: Sequence[Bounds],
    rows: "Array",
    is_calendar: bool,
    may_miss: bool,
) -> Subject:
    numbered: list[tuple[int, Bounds]] = [(MISSING, (None, None, None))] if may_miss else []
    numbered += enumerate(bounds)
    bins = [Bin(name, place, *bound, int((rows == place).sum()), is_calendar) for place, bound in numbered]
    return Subject(bins, rows)
