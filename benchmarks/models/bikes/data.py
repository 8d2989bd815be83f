"""The rows of `bikes`: those that the demo's model carries."""

from typing import TYPE_CHECKING

from cyclone.places import REPOSITORY
from cyclone.spec import load_model_spec
from training.data.history import read_history_frame

if TYPE_CHECKING:
    import pandas as pd


def read_rows() -> "pd.DataFrame":
    """8,645 hours of 2011."""
    folder = REPOSITORY / "models" / "bike_demand"
    return read_history_frame(load_model_spec(folder), folder)
