from pathlib import Path

import pandas as pd
import pytest

from cyclone.errors import ConfigurationError, DataError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.train import load_builder, split_at_random


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
    with pytest.raises(ConfigurationError, match=r"pipeline.py: missing"):
        load_builder(Settings(models_dir=tmp_path), bike_demand)


def test_the_unseen_share_is_the_same_every_time_and_apart_from_the_rest() -> None:
    rows = pd.DataFrame({"x": range(100)})
    seen, unseen = split_at_random(rows, 0.2)
    assert len(unseen) == 20
    assert sorted([*seen["x"], *unseen["x"]]) == list(range(100))
    assert split_at_random(rows, 0.2)[1].equals(unseen)
    assert list(unseen["x"]) != list(range(20))


def test_a_share_of_too_few_rows_is_refused() -> None:
    with pytest.raises(DataError, match=r"2 rows before the newest days: too few to keep a share of 0.2"):
        split_at_random(pd.DataFrame({"x": [1, 2]}), 0.2)
