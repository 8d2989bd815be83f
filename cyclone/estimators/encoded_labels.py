"""A classifier that knows numbers only, as XGBoost's, given labels that are words."""

from typing import Any


class EncodedLabels:
    """A classifier around another one, which is trained on the place of each label among all labels, sorted.

    >>> EncodedLabels(XGBClassifier())  # what build_estimator() of a multiclass model returns
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters of the inner estimator, by scikit-learn's convention."""
        inner = self.estimator.get_params(deep)
        return {"estimator": self.estimator, **{f"estimator__{name}": value for name, value in inner.items()}}

    def set_params(self, **values: Any) -> "EncodedLabels":
        """Set parameters of the inner estimator, each by `estimator__` and its name."""
        self.estimator.set_params(**{name.removeprefix("estimator__"): value for name, value in values.items()})
        return self

    def fit(self, features: Any, labels: Any, **more: Any) -> "EncodedLabels":
        """Train the inner estimator. `more` is for its own `fit`, as `sample_weight`."""
        import numpy as np

        self.classes_, places = np.unique(np.asarray(labels), return_inverse=True)
        self.estimator.fit(features, places, **more)
        return self

    def predict(self, features: Any) -> Any:
        """The likeliest label of each row."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]

    def predict_proba(self, features: Any) -> Any:
        """The probability of each label, shape (rows, labels), in the order of `classes_`."""
        return self.estimator.predict_proba(features)
