"""The estimator of `rainfall`: gradient-boosted trees."""

from typing import Any


def build_estimator() -> Any:
    """An unfitted estimator."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=0)
