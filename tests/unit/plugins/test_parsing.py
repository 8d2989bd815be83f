"""Which models a DAG file builds DAGs for. Airflow says in a variable which DAG a task's process needs."""

import shutil
from pathlib import Path

import pytest

from cyclone.errors import ConfigurationError
from cyclone.names import DagKind
from cyclone.settings import Settings
from cyclone_airflow.parsing import find_specs
from tests.unit.plugins.conftest import REPOSITORY

OF_A_TASK = "_AIRFLOW_PARSING_CONTEXT_DAG_ID"


@pytest.fixture
def models(tmp_path: Path) -> Settings:
    """Two models that are in order, and one that is not."""
    for name in ("bike_demand", "shop", "broken"):
        shutil.copytree(REPOSITORY / "models" / "bike_demand", tmp_path / name)
        file = tmp_path / name / "model.yaml"
        file.write_text(file.read_text().replace("name: bike_demand", f"name: {name}", 1))
    file.write_text("name: broken\n")
    return Settings(models_dir=tmp_path)


def test_every_model_that_is_in_order_has_its_dags(models: Settings) -> None:
    assert [spec.name for spec in find_specs(models, "monitor")] == ["bike_demand", "shop"]


@pytest.mark.parametrize(("kind", "names"), [("monitor", ["shop"]), ("retrain", ["bike_demand", "shop"])])
def test_the_process_of_a_task_reads_its_own_model_alone(
    models: Settings, monkeypatch: pytest.MonkeyPatch, kind: DagKind, names: list[str]
) -> None:
    monkeypatch.setenv(OF_A_TASK, "monitor__shop")
    assert [spec.name for spec in find_specs(models, kind)] == names


@pytest.mark.parametrize("name", ["broken", "gone"])
def test_the_task_of_a_model_that_cannot_be_read_says_why(
    models: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(OF_A_TASK, f"monitor__{name}")
    with pytest.raises(ConfigurationError, match=name):
        find_specs(models, "monitor")
