"""The estimator of `bike_demand`: gradient-boosted trees with a Poisson loss, as demand is a count."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

WEATHER = ["clear", "cloudy/misty", "light rain/snow", "heavy rain/snow"]


def build_estimator() -> "Pipeline":
    """An unfitted estimator for a frame with the features of model.yaml, in their order."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encode = ColumnTransformer(
        [("weather", OrdinalEncoder(categories=[WEATHER]), ["weather"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    return Pipeline([("encode", encode), ("trees", HistGradientBoostingRegressor(loss="poisson", random_state=0))])
