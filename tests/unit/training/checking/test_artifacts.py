"""Artifacts and estimators that do not fit their model.yaml, as `cyclone check` names them, and those that do."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skl2onnx import to_onnx
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from cyclone.errors import ConfigurationError, CycloneError, DataError
from cyclone.estimators.onnx_model import OnnxModel
from cyclone.spec import ModelSpec
from training.checking.service import ask_service

RANDOM = np.random.default_rng(0)
MATRIX = RANDOM.normal(size=(60, 2))
ROW = {"a": 0.5, "b": -1.0}


def build_spec(task: str = "regression", features: list[dict[str, Any]] | None = None) -> ModelSpec:
    label = {"regression": "number", "binary": "boolean"}[task]
    return ModelSpec.model_validate(
        {
            "name": "bought",
            "task": task,
            "inputs": "matrix" if features is None else "frame",
            "features": features or [{"name": name, "type": "number", "range": [-9, 9]} for name in "ab"],
            "label": {"name": "y", "type": label, "expected_delay_hours": 1},
        }
    )


def convert(fitted: Any, columns: int) -> bytes:
    content: bytes = to_onnx(fitted, np.zeros((1, columns), dtype="float32")).SerializeToString()
    return content


def make_linear(columns: int = 2) -> bytes:
    features = RANDOM.normal(size=(60, columns))
    return convert(LinearRegression().fit(features, features.sum(axis=1)), columns)


def test_an_onnx_file_is_brought_and_answers_as_it_did_before(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(make_linear())
    model = OnnxModel(path).fit(MATRIX, MATRIX[:, 0])
    assert ask_service(build_spec(), model, ROW) == pytest.approx(-0.5, abs=1e-5)


def test_an_onnx_classifier_answers_with_the_probability_of_true() -> None:
    truths = MATRIX[:, 0] > 0
    fitted = LogisticRegression().fit(MATRIX, truths.astype(int))
    model = OnnxModel(train=lambda *_: convert(fitted, 2)).fit(MATRIX, truths)
    expected = fitted.predict_proba([[0.5, -1.0]])[0, 1]
    assert ask_service(build_spec("binary"), model, ROW) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (make_linear(3), r"the ONNX model takes X tensor\(float\) \[None, 3\], and model\.yaml has 2 features"),
        (b"garbage", r"7 bytes are no ONNX model that onnxruntime can run"),
    ],
)
def test_an_onnx_file_that_does_not_fit_is_named_before_anything_is_kept(content: bytes, message: str) -> None:
    with pytest.raises(CycloneError, match=message):
        OnnxModel(train=lambda *_: content).fit(MATRIX, MATRIX[:, 0])


def test_an_onnx_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"model\.onnx: the ONNX file cannot be read: No such file"):
        OnnxModel(tmp_path / "model.onnx").fit(MATRIX, MATRIX[:, 0])


def test_an_onnx_model_of_another_task_is_named() -> None:
    """Two values a row are no regression, and one class is missing from a classifier of three."""
    two = convert(LinearRegression().fit(MATRIX, MATRIX), 2)
    with pytest.raises(CycloneError, match=r"values of shape \(1, 2\) for 1 rows"):
        ask_service(build_spec(), OnnxModel(train=lambda *_: two).fit(MATRIX, MATRIX[:, 0]), ROW)
    fitted = LogisticRegression().fit(MATRIX, np.arange(60) % 3)
    model = OnnxModel(train=lambda *_: convert(fitted, 2)).fit(MATRIX, MATRIX[:, 0] > 0)
    with pytest.raises(CycloneError, match=r"knows the classes \[0, 1, 2\], and the labels are \[False, True\]"):
        ask_service(build_spec("binary"), model, ROW)


def test_a_model_that_answers_nan_is_named() -> None:
    fitted = LinearRegression().fit(MATRIX, MATRIX[:, 0])
    fitted.coef_ = np.array([float("nan"), 1.0])
    broken = OnnxModel(train=lambda *_: convert(fitted, 2)).fit(MATRIX, MATRIX[:, 0])
    with pytest.raises(ConfigurationError, match=r"would not start.*a number that is not finite"):
        ask_service(build_spec(), broken, ROW)


def test_an_estimator_of_a_type_that_nobody_has_reviewed_is_named_with_what_to_write() -> None:
    model = make_pipeline(FunctionTransformer(np.nan_to_num), LinearRegression()).fit(MATRIX, MATRIX[:, 0])
    with pytest.raises(DataError, match=r"add a line to model\.yaml: trusted_types: \[numpy\.nan_to_num\]$"):
        ask_service(build_spec(), model, ROW)
    spec = build_spec().model_copy(update={"trusted_types": ("numpy.nan_to_num",)})
    assert ask_service(spec, model, ROW) == pytest.approx(0.5)


def test_a_text_feature_is_served_as_the_pipeline_takes_it() -> None:
    spec = build_spec("binary", [{"name": "words", "type": "text"}])
    frame = pd.DataFrame({"words": ["good", "bad", "very good", "very bad"] * 5})
    column = FunctionTransformer(np.ravel)
    truths = frame["words"].str.contains("good")
    model = make_pipeline(column, TfidfVectorizer(), LogisticRegression()).fit(frame, truths)
    spec = spec.model_copy(update={"trusted_types": ("numpy.ravel",)})
    assert ask_service(spec, model, {"words": "good"}) > 0.5 > ask_service(spec, model, {"words": "bad"})
