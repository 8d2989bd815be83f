"""The reference profile: how features and predictions were distributed where a version was trained."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cyclone.spec import Feature, ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MISSING = -1
NUMBER_BINS = 10
COUNTED_INTEGERS = 12
"""Integers of at most so many different values get one bin a value."""


@dataclass(frozen=True)
class Bin:
    """A bin of one feature, numbered from 0; `MISSING` counts nulls.

    Numbers: lower <= x < upper, None at an open end. Categories and booleans: `category`, booleans as in JSON.
    """

    feature: str
    bin: int
    lower_bound: float | None
    upper_bound: float | None
    category: str | None
    count: int
    is_calendar: bool


def build_profile(spec: ModelSpec, features: "pd.DataFrame", predictions: "np.ndarray[Any, Any]") -> list[Bin]:
    """The bins of every feature but texts, and of `prediction`; a multiclass prediction is its likeliest class."""
    bins: list[Bin] = []
    for feature in spec.features:
        if feature.type != "text":
            bins += _count_feature(feature, features[feature.name])
    return bins + _count_predictions(spec, predictions)


def find_edges(values: "np.ndarray[Any, Any]", is_integer: bool) -> list[float]:
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


def _count_feature(feature: Feature, column: "pd.Series[Any]") -> list[Bin]:
    known = column.dropna()
    missing = Bin(feature.name, MISSING, None, None, None, int(column.isna().sum()), feature.calendar)
    if feature.type in ("integer", "number"):
        values = known.to_numpy(dtype="float64")
        return [missing, *_count_numbers(feature.name, values, feature.type == "integer", feature.calendar)]
    names = ["false", "true"] if feature.type == "boolean" else list(feature.values or ())
    texts = known.map({False: "false", True: "true"}) if feature.type == "boolean" else known
    return [missing, *_count_categories(feature.name, list(texts), names, feature.calendar)]


def _count_predictions(spec: ModelSpec, predictions: "np.ndarray[Any, Any]") -> list[Bin]:
    if spec.task != "multiclass":
        return _count_numbers("prediction", predictions, is_integer=False, is_calendar=False)
    names = list(spec.label.values or ())
    likeliest = [names[place] for place in predictions.argmax(axis=1)]
    return _count_categories("prediction", likeliest, names, is_calendar=False)


def _count_numbers(name: str, values: "np.ndarray[Any, Any]", is_integer: bool, is_calendar: bool) -> list[Bin]:
    import numpy as np

    if not len(values):
        return []
    edges = find_edges(values, is_integer)
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    bounds = pairwise([None, *edges, None])
    return [
        Bin(name, place, lower, upper, None, int(counts[place]), is_calendar)
        for place, (lower, upper) in enumerate(bounds)
    ]


def _count_categories(name: str, values: list[str], categories: list[str], is_calendar: bool) -> list[Bin]:
    return [
        Bin(name, place, None, None, category, values.count(category), is_calendar)
        for place, category in enumerate(categories)
    ]
