"""Cleaning where the registry deletes no image to which a tag points, as Google's does not."""

from pathlib import Path

import pytest

from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from tests.integration.releasing.test_image_push import open_model_repository, push_base
from tests.support.strict_registry import run_strict_registry
from training.images.image import append_layer, list_images, remove_image


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "v3"
    folder.mkdir()
    (folder / "release.json").write_text("{}")
    return folder


def test_an_image_goes_after_its_tags(model: Path, tmp_path: Path, bike_demand: ModelSpec) -> None:
    with run_strict_registry(tmp_path / "registry") as registry:
        settings = Settings(image_repository=f"{registry.address}/strict", work_dir=tmp_path)
        push_base(settings, tmp_path)
        repository = open_model_repository(settings)
        for tag in ("v3", "v4"):
            append_layer(settings, repository, tag, model, {"cyclone.version": tag})
        images = list_images(settings, bike_demand)
        for _ in range(2):
            remove_image(images[3], 3)
        assert list_images(settings, bike_demand) == {4: images[4]}
        digest = images[3].partition("@")[2]
        manifests = "/v2/strict/bike_demand/manifests"
        assert registry.deleted[:2] == [f"{manifests}/v3", f"{manifests}/{digest}"]
        assert repository.read_manifest(digest) is None
