"""Datasets of January 2011, as training asks for them."""

from datetime import UTC, datetime

from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.data.dataset import Dataset, build_dataset

FEBRUARY = datetime(2011, 2, 2, tzinfo=UTC)


def make_dataset(settings: Settings, spec: ModelSpec, run_id: str = "run_1") -> Dataset:
    """The dataset of a retraining that began in February."""
    return build_dataset(settings, spec, run_id, FEBRUARY)
