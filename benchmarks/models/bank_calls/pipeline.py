"""The estimator of `bank_calls`: gradient-boosted trees with a Poisson loss, as calls are counted."""

from typing import Any


def build_estimator() -> Any:
    """An unfitted estimator."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(loss="poisson", random_state=0)
