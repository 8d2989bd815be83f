"""The estimator of `bike_demand`: gradient-boosted trees with a Poisson loss, as demand is a count."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor


def build_estimator() -> "HistGradientBoostingRegressor":
    """An unfitted estimator for the features of model.yaml, in their order.

    The weather is a number from clear to heavy rain: the values of model.yaml stand in that order.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(loss="poisson", random_state=0)
