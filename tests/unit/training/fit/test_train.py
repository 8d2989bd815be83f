from typing import Any

import numpy as np
import pandas as pd
import pytest

from cyclone.errors import ConfigurationError, DataError
from cyclone.sections import Feature, Label, Retrain
from cyclone.spec import ModelSpec
from training.data.folds import assign_folds
from training.fit.scores import measure
from training.fit.train import fit_estimator, predict_unseen, weigh_rows


@pytest.fixture
def constant() -> ModelSpec:
    label = Label(name="y", type="number", expected_delay_hours=0)
    retrain = Retrain(folds=2)
    return ModelSpec(
        name="m", task="regression", features=(Feature(name="x", type="number"),), label=label, retrain=retrain
    )


def build_days(days: int) -> "pd.Series[Any]":
    hours = pd.Series(pd.date_range("2011-01-01", periods=24 * days, freq="h", tz="UTC"))
    return hours.drop(index=[3, 40]).reset_index(drop=True)


def test_folds_are_random_whole_days_and_the_same_every_time() -> None:
    rows = build_days(10)
    fold = assign_folds(rows, 5)
    assert (fold == assign_folds(rows, 5)).all()
    per_day = pd.Series(fold).groupby(rows.dt.floor("D")).agg(["min", "max"])
    assert (per_day["min"] == per_day["max"]).all()
    assert sorted(per_day["min"]) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert list(per_day["min"]) != sorted(per_day["min"])


def test_fewer_days_than_folds_are_refused() -> None:
    with pytest.raises(DataError, match=r"rows lie on 4 days before the hold-out, and retrain.folds 5 needs"):
        assign_folds(build_days(4), 5)


class Mean:
    """Predicts the weighted mean of the labels."""

    def fit(self, features: pd.DataFrame, labels: "pd.Series[Any]", sample_weight: Any = None) -> "Mean":
        self.mean = np.average(labels, weights=sample_weight)
        return self

    def predict(self, features: pd.DataFrame) -> Any:
        return np.full(len(features), self.mean)


def build_labelled(labels: list[float]) -> tuple[Any, ...]:
    """Features, labels and times of a row a day."""
    times = pd.date_range("2011-01-01", periods=len(labels), freq="D", tz="UTC")
    return pd.DataFrame({"x": [0.0] * len(labels)}), pd.Series(labels), pd.Series(times)


def test_the_accepted_error_is_that_of_rows_that_no_sibling_saw(constant: ModelSpec) -> None:
    spec = constant.model_copy(update={"retrain": Retrain(folds=4)})
    predictions, labels = predict_unseen(spec, Mean, *build_labelled([0.0, 0.0, 0.0, 8.0]))
    assert sorted(predictions) == pytest.approx([0.0, 8 / 3, 8 / 3, 8 / 3])
    assert measure(spec, predictions, labels)["mean_absolute_error"] == pytest.approx(4.0)


def test_weights_halve_with_age(constant: ModelSpec) -> None:
    rows = build_labelled([0.0, 6.0])
    assert weigh_rows(rows[2], half_life_days=1).tolist() == [0.5, 1.0]
    spec = constant.model_copy(update={"retrain": Retrain(half_life_days=1)})
    assert fit_estimator(spec, Mean, *rows).mean == pytest.approx(4.0)
    assert fit_estimator(constant, Mean, *rows).mean == pytest.approx(3.0)


def test_weights_need_an_estimator_that_takes_them(constant: ModelSpec) -> None:
    class Deaf(Mean):
        def fit(self, features: pd.DataFrame, labels: "pd.Series[Any]") -> "Deaf":  # type: ignore[override]
            return self

    spec = constant.model_copy(update={"retrain": Retrain(half_life_days=1)})
    with pytest.raises(ConfigurationError, match=r"half_life_days needs an estimator whose fit takes sample_weight"):
        fit_estimator(spec, Deaf, *build_labelled([0.0, 6.0]))


class Neighbours:
    """Needs two rows of each class, as an estimator does that tries itself on a part of its rows."""

    def fit(self, features: pd.DataFrame, labels: "pd.Series[Any]") -> "Neighbours":
        if labels.value_counts().min() < 2:
            raise ValueError("n_splits=2 cannot be greater than the number of members in each class")
        return self


def test_an_estimator_that_needs_more_of_a_class_names_it_with_its_rows_and_its_fold(constant: ModelSpec) -> None:
    label = Label(name="y", type="boolean", expected_delay_hours=0)
    spec = constant.model_copy(update={"task": "binary", "label": label})
    features, _, times = build_labelled([0.0] * 6)
    with pytest.raises(DataError) as raised:
        predict_unseen(spec, Neighbours, features, pd.Series([True, False, False, True, False, False]), times)
    assert str(raised.value) == (
        "m: the estimator of pipeline.py refuses to be trained on 3 rows (1 of true, 2 of false): n_splits=2 cannot be"
        " greater than the number of members in each class. Wait for more labels, or build another estimator there."
        " These are the rows outside fold 1 of 2"
    )
