"""The estimator of `chicago`: gradient-boosted trees."""

from typing import Any


def build_estimator() -> Any:
    """An unfitted estimator."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(random_state=0)
