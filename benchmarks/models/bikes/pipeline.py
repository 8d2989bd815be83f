"""The estimator of `bikes`, which is that of the demo."""

from typing import Any


def build_estimator() -> Any:
    """An unfitted estimator."""
    from models.bike_demand import pipeline

    return pipeline.build_estimator()
