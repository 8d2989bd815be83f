"""Models that are no plain scikit-learn: trained, built into an image, served, logged, judged, and reproduced."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import yaml

from cyclone.errors import ConfigurationError
from cyclone.rows.frames import inputs_from_rows
from cyclone.settings import Settings, read_settings
from cyclone.store import Store
from tests.integration.training.test_classifiers import (
    Prepared,
    ask,
    check_error,
    make_home,
    prepare,
    tell_labels,
    write_iris,
    write_tumour,
)
from tests.support.serving import run_service, wait_until
from training.fit.model_code import load_builder
from training.reproduction import reproduce

XGBOOST = """
from xgboost import XGBClassifier


def build_estimator():
    return XGBClassifier(n_estimators=20, subsample=0.8)
"""
LIGHTGBM = """
from lightgbm import LGBMClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def build_estimator():
    return make_pipeline(StandardScaler().set_output(transform="pandas"), LGBMClassifier(n_estimators=20, verbose=-1))
"""
XGBOOST_OF_WORDS = """
from xgboost import XGBClassifier

from cyclone.estimators.encoded_labels import EncodedLabels


def build_estimator():
    return EncodedLabels(XGBClassifier(n_estimators=10))
"""
ONNX = """
from sklearn.linear_model import LogisticRegression
from skl2onnx import to_onnx

from cyclone.estimators.onnx_model import OnnxModel


def train(features, labels):
    fitted = LogisticRegression(max_iter=500).fit(features, labels)
    return to_onnx(fitted, features[:1].astype("float32")).SerializeToString()


def build_estimator():
    return OnnxModel(train=train)
"""


@pytest.fixture
def own(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a models' folder for the models of these tests."""
    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(tmp_path / "models"))
    return read_settings()


def write_pipeline(settings: Settings, name: str, text: str, **keys: Any) -> None:
    """Give a model another pipeline.py, and its model.yaml more keys."""
    folder = settings.models_dir / name
    (folder / "pipeline.py").write_text(text)
    spec = yaml.safe_load((folder / "model.yaml").read_text())
    (folder / "model.yaml").write_text(yaml.safe_dump(spec | keys))


def find_bundle(prepared: Prepared) -> Path:
    """The folder of a version's code and model, in its Bento."""
    import bentoml

    return Path(bentoml.bentos.get(prepared.image).path) / "src"


def load_packed(prepared: Prepared) -> Any:
    """The estimator as the image holds it, loaded without trust in anything that release.json does not name."""
    release = yaml.safe_load((find_bundle(prepared) / "release.json").read_text())
    path = find_bundle(prepared) / "model" / "model.skops"
    return skops.io.load(path, trusted=release["trusted_types"]), release["packages"]


def assert_the_loop_turns(
    settings: Settings, store: Store, prepared: Prepared, bento_home: Path, folder: Path, packages: list[str]
) -> list[Any]:
    """What is served is what the file predicts, bit for bit. It is logged, judged by its error, and reproduced."""
    home = make_home(folder, bento_home)
    spec, name = prepared.spec, prepared.spec.name
    with run_service(folder, store, home, prepared.image, home, {"K_REVISION": f"{name}-v1"}) as service:
        answered = ask(service, prepared)
        count = "SELECT count(*)::int FROM prediction_log WHERE model = %s AND version = 1"
        wait_until(lambda: service.query(count, name) == [(len(answered),)], "all rows are stored")
        tell_labels(service, prepared, [row["label"] for row in prepared.rows], delay_hours=1)
        result = check_error(store, prepared, "first")
    assert (result.sample_size, result.verdict) == (len(answered), "passed")
    estimator, needed = load_packed(prepared)
    assert [package.split("==")[0] for package in needed] == packages
    features = inputs_from_rows(spec, [row["features"] for row in prepared.rows])
    expected = np.asarray(estimator.predict_proba(features))
    if spec.task == "binary":
        assert answered == expected[:, 1].astype(float).tolist()
    else:
        assert answered == [
            dict(zip(spec.label.values or (), row, strict=True)) for row in expected.astype(float).tolist()
        ]
    again = reproduce(settings, name, 1)
    assert (again.differing, dict(again.packages)) == ([], {})
    return answered


@pytest.mark.parametrize(("text", "package"), [(XGBOOST, "xgboost-cpu"), (LIGHTGBM, "lightgbm")])
def test_boosted_trees_of_a_library_turn_the_whole_loop_without_pickle(
    own: Settings, store: Store, bento_home: Path, tmp_path: Path, text: str, package: str
) -> None:
    write_tumour(own.models_dir)
    write_pipeline(own, "tumour", text)
    prepared = prepare(own, store, "tumour")
    assert_the_loop_turns(own, store, prepared, bento_home, tmp_path / "home", [package])


def test_xgboost_learns_labels_that_are_words(own: Settings, store: Store, bento_home: Path, tmp_path: Path) -> None:
    write_iris(own.models_dir)
    write_pipeline(own, "iris", XGBOOST_OF_WORDS)
    prepared = prepare(own, store, "iris")
    assert_the_loop_turns(own, store, prepared, bento_home, tmp_path / "home", ["xgboost-cpu"])


def test_a_library_that_is_not_installed_is_named_with_its_command(
    own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cyclone.spec import find_model

    write_tumour(own.models_dir)
    write_pipeline(own, "tumour", XGBOOST)
    monkeypatch.setitem(__import__("sys").modules, "xgboost", None)
    with pytest.raises(
        ConfigurationError,
        match=r"line 2: it cannot be imported: .*xgboost.* Run pip install 'cyclone-mlops\[xgboost\]'$",
    ):
        load_builder(own, find_model(own.models_dir, "tumour"))


def test_an_onnx_model_that_each_training_makes_anew_turns_the_whole_loop(
    own: Settings, store: Store, bento_home: Path, tmp_path: Path
) -> None:
    write_iris(own.models_dir)
    write_pipeline(own, "iris", ONNX)
    prepared = prepare(own, store, "iris")
    assert_the_loop_turns(own, store, prepared, bento_home, tmp_path / "home", ["onnxruntime"])
