"""The rows of `bikes_high`. What is high moves with the demand so far, so the question itself drifts."""

from typing import TYPE_CHECKING

from benchmarks.backtest import label_high_demand
from benchmarks.models.bikes import data

if TYPE_CHECKING:
    import pandas as pd


def read_rows() -> "pd.DataFrame":
    """8,645 hours of 2011."""
    return label_high_demand(data.read_rows())
