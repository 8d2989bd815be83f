"""The error to expect of a prediction before its label is known, by the bin of the prediction.

This is direct loss estimation, as in NannyML (https://nannyml.readthedocs.io, "Direct Loss Estimation"). NannyML
trains a second model for it. Here the bins of the prediction take its place, because roll-ups count them already. So
the estimate costs nothing in service.
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
"""How many rows with the mean error of all rows are added to each bin.

A bin of few rows says little, so its error stays near the mean. A larger number hides differences between bins.
"""


def expect_errors(spec: ModelSpec, bins: Sequence[Bin], predictions: "Array", labels: "pd.Series[Any]") -> list[Bin]:
    """The bins of the prediction, each with the error to expect, in the unit of the task's metric.

    `predictions` and `labels` are of rows that the predicting siblings did not see. The error of a bin is their mean
    error in it, drawn towards the mean of all by `PRIOR_ROWS`.
    The two outer bins lie beyond all predictions of the reference. They take the error of their neighbours.
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
