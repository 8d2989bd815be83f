from pathlib import Path

import pytest

from cyclone.errors import ConfigurationError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.fit.model_code import load_builder


def write_pipeline(folder: Path, text: str) -> Settings:
    (folder / "bike_demand").mkdir()
    (folder / "bike_demand" / "pipeline.py").write_text(text)
    return Settings(models_dir=folder)


def test_a_pipeline_is_found_by_its_path(bike_demand: ModelSpec, tmp_path: Path) -> None:
    settings = write_pipeline(tmp_path, "def build_estimator():\n    return 'an estimator'\n")
    assert load_builder(settings, bike_demand)() == "an estimator"


def test_a_pipeline_without_a_builder_is_refused(bike_demand: ModelSpec, tmp_path: Path) -> None:
    settings = write_pipeline(tmp_path, "def make_estimator():\n    return None\n")
    with pytest.raises(ConfigurationError, match=r"pipeline.py: build_estimator is not defined"):
        load_builder(settings, bike_demand)


def test_a_pipeline_that_cannot_be_imported_says_why(bike_demand: ModelSpec, tmp_path: Path) -> None:
    settings = write_pipeline(tmp_path, "import no_such_package\n")
    with pytest.raises(ConfigurationError, match=r"cannot be imported: ModuleNotFoundError.*no_such_package"):
        load_builder(settings, bike_demand)


def test_a_missing_pipeline_is_named(bike_demand: ModelSpec, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"pipeline.py: the file is missing"):
        load_builder(Settings(models_dir=tmp_path), bike_demand)
