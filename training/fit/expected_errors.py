"""The error to expect of a prediction before its label is there, by the prediction's bin.

The idea of direct loss estimation, as in NannyML (https://nannyml.readthedocs.io, "Direct Loss Estimation"), with bins
of the prediction in place of a second model: they are what roll-ups count, so it costs serving nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cyclone.spec import ModelSpec
from training.fit.profile import Bin, name_predicted, place_rows
from training.fit.scores import list_errors

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

PRIOR_ROWS = 10
"""A bin's error counts as if so many rows more had the mean error of all: few rows say little."""


def expect_errors(spec: ModelSpec, bins: Sequence[Bin], predictions: "Array", labels: "pd.Series[Any]") -> list[Bin]:
    """The bins of the prediction with the mean error of the unseen rows whose prediction falls into them.

    Beyond the predictions of the reference nothing is known: the outer bins take the error of their neighbours.
    """
    errors = list_errors(spec, predictions, labels)
    places = place_rows(bins, name_predicted(spec, predictions))
    expected = {}
    for item in bins:
        found = errors[places == item.bin]
        expected[item.bin] = float((found.sum() + PRIOR_ROWS * errors.mean()) / (len(found) + PRIOR_ROWS))
    ordered = [item.bin for item in bins]
    if spec.task != "multiclass" and len(ordered) > 2:
        expected[ordered[0]], expected[ordered[-1]] = expected[ordered[1]], expected[ordered[-2]]
    return [replace(item, expected_error=expected[item.bin]) for item in bins]
