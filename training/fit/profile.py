"""The reference profile: how features and predictions were distributed in the rows that a version was trained on."""

import math
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
"""How many bins a number gets.

Ten are usual. Fifteen see a shift by a quarter of a standard deviation better. benchmarks/monitoring_alarms.py
measures it.
"""
COUNTED_INTEGERS = 12
"""Up to so many different integers get one bin each.

Such integers are mostly codes, as of months or weather. A wider limit makes more bins with fewer rows.
"""
HUGE = 1e300
"""The size from which numbers are scaled before their differences are taken. The largest float is 1.8e308."""


@dataclass(frozen=True)
class Bin:
    """One bin of a subject, which is a feature or the prediction.

    Bins are numbered from 0. The bin `MISSING` counts nulls.
    A bin of numbers holds lower <= x < upper, and an open end is None. The first and the last bin lie beyond all
    numbers that were seen.
    A bin of categories or booleans holds the one value `category`. Booleans are spelled as in JSON.
    """

    feature: str
    bin: int
    lower_bound: float | None
    upper_bound: float | None
    category: str | None
    count: int
    is_calendar: bool
    expected_error: float | None = None
    """The error to expect of a prediction in this bin. Only bins of the prediction have it."""


@dataclass(frozen=True)
class Subject:
    """The bins of a feature or of the prediction. `rows` holds the number of each row's bin, shape (rows,)."""

    bins: list[Bin]
    rows: "Array"

    @property
    def name(self) -> str:
        return self.bins[0].feature

    @property
    def is_calendar(self) -> bool:
        return self.bins[0].is_calendar


def build_profile(spec: ModelSpec, features: "pd.DataFrame", predictions: "Array") -> list[Subject]:
    """The subjects of a profile: every feature that is not a text, and `prediction` as the last.

    A multiclass prediction counts as its likeliest class.
    """
    known = [feature for feature in spec.features if feature.type != "text"]
    return [
        *(_bin_feature(feature, features[feature.name]) for feature in known),
        _bin_predictions(spec, predictions),
    ]


def place_rows(bins: Sequence[Bin], values: "Any") -> "Array":
    """The number of the bin that each value of a subject falls into, shape (values,).

    The values need not be those that the bins were made from.
    """
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
    """Predictions as they are binned. A multiclass prediction becomes its likeliest class, others stay numbers."""
    if spec.task != "multiclass":
        return predictions
    names = list(spec.label.values or ())
    return [names[place] for place in predictions.argmax(axis=1)]


def find_edges(values: "Array", is_integer: bool) -> list[float]:
    """The inner edges of the bins.

    Few different integers get one bin each. Other numbers get bins of about equal counts.

    >>> import numpy as np
    >>> find_edges(np.array([1, 1, 2, 4]), is_integer=True)
    [2.0, 4.0]
    """
    import numpy as np

    distinct = np.unique(values)
    if is_integer and len(distinct) <= COUNTED_INTEGERS:
        return [float(value) for value in distinct[1:]]
    shares = np.linspace(0, 1, NUMBER_BINS + 1)[1:-1]
    # The difference of two huge numbers is not finite. A power of two scales them without rounding.
    scale = 4.0 if np.abs(values).max() > HUGE else 1.0
    edges = np.unique(np.quantile(values / scale, shares)) * scale
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
    # The last edge is just above the greatest number, so that the bin after it is empty in the reference.
    beyond = math.nextafter(known.max(), math.inf)
    edges = [float(known.min()), *find_edges(known, is_integer), beyond]
    if beyond == math.inf:  # nothing lies beyond the largest float
        edges.pop()
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
    import numpy as np

    numbered: list[tuple[int, Bounds]] = [(MISSING, (None, None, None))] if may_miss else []
    numbered += enumerate(bounds)
    counts = dict(zip(*(part.tolist() for part in np.unique(rows, return_counts=True)), strict=True))
    bins = [Bin(name, place, *bound, counts.get(place, 0), is_calendar) for place, bound in numbered]
    return Subject(bins, rows)
