import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestRegressor

from bento_service.bundle import read_bundle
from cyclone.errors import ConfigurationError
from cyclone.rows.trees import NODE, Trees
from cyclone.spec import ModelSpec
from training.images.trees import list_nodes, write_trees

FEATURES = 5
DECLARED = {
    "name": "toy",
    "task": "regression",
    "features": [{"name": f"x{place}", "type": "number", "nullable": True} for place in range(FEATURES)],
    "label": {"name": "y", "type": "number", "expected_delay_hours": 1},
    "inputs": "matrix",
}
SPEC = ModelSpec.model_validate(DECLARED)
ANSWER = """
import sys
from pathlib import Path
from bento_service.bundle import read_bundle
from bento_service.prediction import build_probe_row, predict_rows
bundle = read_bundle(Path(sys.argv[1]))
print(predict_rows(bundle.spec, bundle.load_estimator(), [build_probe_row(bundle.spec)]))
print(sorted({"sklearn", "skops", "scipy", "pandas"} & set(sys.modules)))
"""


def draw_rows(count: int) -> Any:
    """Rows with nulls, of which one column has few values and one is never more than noise."""
    draw = np.random.default_rng(1)
    rows = draw.normal(size=(count, FEATURES))
    rows[:, 1] = draw.integers(0, 4, count)
    rows[draw.random(rows.shape) < 0.1] = np.nan
    return rows


def fit(kind: Any = HistGradientBoostingRegressor, **options: Any) -> Any:
    rows = draw_rows(800)
    labels = np.abs(np.nan_to_num(rows[:, 0] * rows[:, 1] + rows[:, 2])) + 0.5
    return kind(random_state=0, **options).fit(rows, labels > 1 if "Classifier" in kind.__name__ else labels)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"loss": "poisson"},
        {"loss": "gamma", "max_iter": 20},
        {"loss": "absolute_error", "max_iter": 20},
        {"loss": "quantile", "quantile": 0.9, "max_iter": 20},
        {"max_leaf_nodes": 64, "max_iter": 5, "min_samples_leaf": 2},
        {"max_iter": 1, "min_samples_leaf": 800},
    ],
    ids=str,
)
def test_trees_predict_what_the_estimator_does_to_the_last_bit(options: dict[str, Any], tmp_path: Path) -> None:
    estimator = fit(**options)
    link = write_trees(SPEC, estimator, tmp_path / "trees.npy")
    assert link is not None
    trees = Trees.load(tmp_path / "trees.npy", link, FEATURES)
    rows = np.vstack([draw_rows(3000), np.full((1, FEATURES), np.nan), np.full((1, FEATURES), np.inf)])
    assert trees.predict(rows).tolist() == estimator.predict(rows).tolist()
    assert [trees.predict(row)[0] for row in rows[-50:, None]] == estimator.predict(rows[-50:]).tolist()


def test_the_same_estimator_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("one.npy", "two.npy"):
        write_trees(SPEC, fit(), tmp_path / name)
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()


class Doubled(HistGradientBoostingRegressor):  # type: ignore[misc]  # scikit-learn is not typed
    def predict(self, rows: Any) -> Any:
        return 2 * super().predict(rows)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Doubled, {}),
        (HistGradientBoostingClassifier, {}),
        (RandomForestRegressor, {"n_estimators": 2}),
        (HistGradientBoostingRegressor, {"categorical_features": [1]}),
        (HistGradientBoostingRegressor, {"max_leaf_nodes": 65, "max_iter": 2, "min_samples_leaf": 2}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_any_other_estimator_answers_itself(kind: Any, options: dict[str, Any], tmp_path: Path) -> None:
    assert write_trees(SPEC, fit(kind, **options), tmp_path / "trees.npy") is None
    assert not (tmp_path / "trees.npy").exists()


def test_an_estimator_that_is_given_a_frame_answers_itself(tmp_path: Path) -> None:
    assert write_trees(SPEC.model_copy(update={"inputs": "frame"}), fit(), tmp_path / "trees.npy") is None


def test_trees_that_would_answer_otherwise_are_not_written(tmp_path: Path) -> None:
    estimator = fit()
    estimator._bin_mapper = None  # the estimator then fails where the trees answer
    with pytest.raises(AttributeError):
        write_trees(SPEC, estimator, tmp_path / "trees.npy")
    estimator = fit()
    estimator._predictors = [[Shifted(predictor)] for (predictor,) in estimator._predictors]
    assert write_trees(SPEC, estimator, tmp_path / "trees.npy") is None


class Shifted:
    """A tree of another release of scikit-learn, say, that adds a trifle to what its nodes say."""

    def __init__(self, predictor: Any) -> None:
        self._predictor, self.nodes = predictor, predictor.nodes

    def predict(self, *values: Any, **more: Any) -> Any:
        return np.nextafter(self._predictor.predict(*values, **more), np.inf)


def spoil(**fields: Any) -> Any:
    found = list_nodes(fit())
    assert found is not None
    for name, value in fields.items():
        found[0][name][1] = value
    return found[0]


@pytest.mark.parametrize(
    ("build", "link", "message"),
    [
        (lambda: spoil(left=10**6), "identity", "a node has a left child that is none"),
        (lambda: spoil(right=0), "identity", "a node has a right child that is none"),
        (lambda: spoil(left=90), "identity", "a node has a left child that is none"),
        (lambda: spoil(feature=FEATURES), "identity", "it asks for feature 5, and there are 5"),
        (lambda: spoil(), "logit", "its link is 'logit'"),
        (lambda: np.zeros(3), "identity", "its nodes are float64"),
        (lambda: np.zeros(0, np.dtype(NODE)), "identity", "the first node is no root"),
        (lambda: np.array([object()]), "identity", "Object arrays cannot be loaded"),
    ],
)
def test_a_spoiled_file_is_refused(build: Callable[[], Any], link: str, message: str, tmp_path: Path) -> None:
    nodes = build()
    np.save(tmp_path / "trees.npy", nodes, allow_pickle=True)
    with pytest.raises(ConfigurationError, match=rf"trees\.npy: the trees cannot be loaded.*{message}"):
        Trees.load(tmp_path / "trees.npy", link, FEATURES)


def test_a_bundle_with_trees_answers_without_scikit_learn_and_pandas(tmp_path: Path) -> None:
    for folder in ("models/toy", "model"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "models" / "toy" / "model.yaml").write_text(json.dumps(DECLARED))
    (tmp_path / "models" / "toy" / "pipeline.py").touch()
    estimator = fit()
    link = write_trees(SPEC, estimator, tmp_path / "model" / "trees.npy")
    release = {"model": "toy", "version": 7, "mlflow_run_id": "r", "trees": link}
    (tmp_path / "release.json").write_text(json.dumps(release))
    told = subprocess.run([sys.executable, "-c", ANSWER, str(tmp_path)], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == [str(estimator.predict(np.zeros((1, FEATURES))).tolist()), "[]"]
    (tmp_path / "model" / "trees.npy").unlink()
    with pytest.raises(ConfigurationError, match=r"trees\.npy: the trees cannot be loaded.*No such file"):
        read_bundle(tmp_path).load_estimator()
