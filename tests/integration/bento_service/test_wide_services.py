"""A service of a model with 2,000 features of all types: its OpenAPI page, its answers, its log and their lineage."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from sklearn.dummy import DummyRegressor

from bento_service.prediction import build_probe_row
from cyclone.lineage.explain import explain
from cyclone.lineage.report import format_lineage
from cyclone.sections import FeatureType
from cyclone.spec import ModelSpec, load_model_spec
from cyclone.store import Store
from tests.support.serving import TARGET, Service, pack_bundle, run_service, wait_until

COUNT = 2000
TYPES = get_args(FeatureType)
PIPELINE = """
from sklearn.dummy import DummyRegressor


def build_estimator():
    return DummyRegressor()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model whose features have the types in turn."""
    folder = tmp_path_factory.mktemp("models") / "wide"
    folder.mkdir()
    kinds = [TYPES[place % len(TYPES)] for place in range(COUNT)]
    spec = {
        "name": "wide",
        "task": "regression",
        "features": [
            {"name": f"f{place}", "type": kind, **({"values": ["a", "b"]} if kind == "category" else {})}
            for place, kind in enumerate(kinds)
        ],
        "label": {"name": "y", "type": "number", "expected_delay_hours": 0},
    }
    (folder / "model.yaml").write_text(json.dumps(spec))  # JSON is YAML too
    (folder / "pipeline.py").write_text(PIPELINE)
    return folder


@pytest.fixture(scope="module")
def spec(model: Path) -> ModelSpec:
    return load_model_spec(model)


@pytest.fixture(scope="module")
def service(model: Path, module_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    bundle, folder = tmp_path_factory.mktemp("bundle"), tmp_path_factory.mktemp("service")
    pack_bundle(bundle, model, DummyRegressor().fit([[0.0] * COUNT] * 2, [1.0, 3.0]))
    with run_service(bundle, module_store, folder, TARGET, folder) as running:
        yield running


def test_the_openapi_page_of_a_wide_model_has_all_its_features(service: Service, spec: ModelSpec) -> None:
    status, page = service.call("GET", "/docs.json")
    assert status == 200
    assert list(page["components"]["schemas"]["Row"]["properties"]) == spec.feature_names
    assert service.call("GET", "/")[0] == 200


def test_a_wide_row_is_answered_logged_and_explained(service: Service, spec: ModelSpec, module_store: Store) -> None:
    row: dict[str, Any] = build_probe_row(spec)
    status, answer = service.predict(row, ids=["w1"])
    assert (status, answer["predictions"]) == (200, [{"id": "w1", "prediction": 2.0}])
    wait_until(lambda: len(service.read_rows(["w1"])) == 1, "the row is stored")
    assert service.label({"id": "w1", "label": 4.0}) == (200, {"accepted": 1, "unknown_so_far": 0})
    lineage = explain(module_store, ["wide"], "w1")
    assert lineage.prediction is not None
    assert lineage.prediction["input"] == row
    told = format_lineage(lineage)
    assert all(f"{name}" in told for name in (spec.feature_names[0], spec.feature_names[-1]))


@pytest.mark.parametrize("place", [0, COUNT - 1])
def test_a_wide_row_with_one_bad_value_is_refused_by_the_features_name(
    service: Service, spec: ModelSpec, place: int
) -> None:
    name = spec.feature_names[place]
    status, answer = service.predict({**build_probe_row(spec), name: [1]})
    assert (status, name in json.dumps(answer)) == (400, True)
    assert len(json.dumps(answer)) < 2000
