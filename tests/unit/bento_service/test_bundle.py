import json
import shutil
from pathlib import Path

import pytest

from bento_service.bundle import read_bundle
from cyclone.errors import ConfigurationError

MODEL = Path(__file__).resolve().parents[3] / "models" / "bike_demand"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "bike_demand"
    folder.mkdir(parents=True)
    for name in ("model.yaml", "pipeline.py"):
        shutil.copy(MODEL / name, folder)
    return tmp_path


def write_release(root: Path, release: object) -> None:
    (root / "release.json").write_text(json.dumps(release))


def test_a_bundle_knows_its_model_and_its_revision(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_release(root, {"model": "bike_demand", "version": 7, "mlflow_run_id": "r", "trusted_types": ["a.B"]})
    monkeypatch.delenv("K_REVISION", raising=False)
    bundle = read_bundle(root)
    assert (bundle.spec.name, bundle.version, bundle.trusted_types) == ("bike_demand", 7, ("a.B",))
    assert bundle.revision == "bike-demand-v7"
    monkeypatch.setenv("K_REVISION", "bike-demand-00042-abc")
    assert bundle.revision == "bike-demand-00042-abc"


@pytest.mark.parametrize(
    ("release", "message"),
    [
        ([], "an object with model and version is needed"),
        ({"model": "bike_demand"}, "an object with model and version is needed: KeyError"),
        ({"model": "bike_demand", "version": "7"}, "version '7' must be a positive integer"),
        ({"model": "bike_demand", "version": True}, "version True must be a positive integer"),
        ({"model": "other", "version": 1}, "there is no such file"),
    ],
)
def test_an_unusable_release_file_is_named(root: Path, release: object, message: str) -> None:
    write_release(root, release)
    with pytest.raises(ConfigurationError, match=message):
        read_bundle(root)


def test_a_folder_that_is_no_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Start the service in a packed bundle"):
        read_bundle(tmp_path)


def test_a_bundle_without_its_estimator_is_named(root: Path) -> None:
    write_release(root, {"model": "bike_demand", "version": 7})
    with pytest.raises(ConfigurationError, match=r"model\.skops: the estimator cannot be loaded"):
        read_bundle(root).load_estimator()
