from typing import Any

import numpy as np
import pandas as pd
import pytest

from cyclone.spec import ModelSpec
from tests.unit.training.fit.toys import build_spec
from training.fit.expected_errors import PRIOR_ROWS, expect_errors
from training.fit.profile import Bin, build_profile


def build_bins(spec: ModelSpec, predictions: Any) -> list[Bin]:
    features = pd.DataFrame({"x": np.zeros(len(predictions))})
    return build_profile(spec, features, np.asarray(predictions))[-1].bins


def test_a_bin_has_the_mean_error_of_its_rows_drawn_to_that_of_all() -> None:
    spec = build_spec("regression")
    bounds = [(None, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, None)]
    bins = [Bin("prediction", place, *bound, None, 10, False) for place, bound in enumerate(bounds)]
    predictions = np.array([1.0] * 90 + [2.0] * 30)
    errors = np.array([2.0] * 90 + [10.0] * 30)
    found = [item.expected_error for item in expect_errors(spec, bins, predictions, pd.Series(predictions + errors))]
    low = (90 * 2 + PRIOR_ROWS * 4) / (90 + PRIOR_ROWS)
    high = (30 * 10 + PRIOR_ROWS * 4) / (30 + PRIOR_ROWS)
    assert found == pytest.approx([low, low, high, high])


def test_beyond_the_reference_the_error_of_the_neighbour_is_expected() -> None:
    spec = build_spec("regression")
    bins = build_bins(spec, np.linspace(0, 100, 200))
    predictions = np.linspace(-50, 150, 400)
    found = expect_errors(spec, bins, predictions, pd.Series(predictions * 1.5))
    assert found[-1].expected_error == found[-2].expected_error
    assert found[0].expected_error == found[1].expected_error


def test_a_calibrated_probability_is_expected_to_lose_its_entropy() -> None:
    spec = build_spec("binary")
    random = np.random.default_rng(1)
    probabilities = random.choice([0.02, 0.5], size=20_000)
    labels = pd.Series(random.random(20_000) < probabilities)
    found = expect_errors(spec, build_bins(spec, probabilities), probabilities, labels)
    entropy = [-(p * np.log(p) + (1 - p) * np.log(1 - p)) for p in (0.02, 0.5)]
    assert [found[1].expected_error, found[2].expected_error] == pytest.approx(entropy, abs=0.02)


def test_the_bins_of_classes_are_the_likeliest_ones() -> None:
    spec = build_spec("multiclass")
    predictions = np.array([[0.8, 0.1, 0.1]] * 40 + [[0.2, 0.5, 0.3]] * 40)
    labels = pd.Series(["a"] * 40 + ["b"] * 40)
    found = expect_errors(spec, build_bins(spec, predictions), predictions, labels)
    mean = -(np.log(0.8) + np.log(0.5)) / 2
    first, second = (-(40 * np.log(p)) for p in (0.8, 0.5))
    expected = [(first + PRIOR_ROWS * mean) / 50, (second + PRIOR_ROWS * mean) / 50, mean]
    assert [item.expected_error for item in found] == pytest.approx(expected)
