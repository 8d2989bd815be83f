"""Where the tasks and triggers under test find their store and their models: in variables, as in Airflow."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cyclone.settings import Settings, read_settings
from cyclone.store import Store
from tests.support.grafana import Grafana, post_over_http
from tests.unit.plugins.webhooks import SECRET, serve

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session", autouse=True)
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An Airflow of its own whose jobs are of OpenLineage's namespace `cyclone`. Both are read once a process."""
    home = tmp_path_factory.mktemp("airflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__OPENLINEAGE__NAMESPACE", "cyclone")
        if "AIRFLOW_HOME" not in os.environ:
            patch.setenv("AIRFLOW_HOME", str(home))
        yield


@pytest.fixture
def settings(store: Store, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of a process that works with an empty store, by the clock of a replay."""
    monkeypatch.setenv("CYCLONE_STORE_DSN", store.dsn)
    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(REPOSITORY / "models"))
    monkeypatch.setenv("CYCLONE_CLOCK", "replay")
    return read_settings()


@pytest.fixture
def woken() -> list[tuple[str, str]]:
    """The runs of monitors that the webhooks have started."""
    return []


@pytest.fixture
def webhooks(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of an API server with a secret, keys, and a model that allows all actions but one."""
    folder = tmp_path / "models" / "bike_demand"
    folder.mkdir(parents=True)
    config = yaml.safe_load((REPOSITORY / "models/bike_demand/model.yaml").read_text())
    config["webhook"] = {"actions": ["retrain", "recalibrate", "note"]}
    (folder / "model.yaml").write_text(yaml.safe_dump(config))
    (folder / "pipeline.py").write_text("def build_estimator(): ...\n")
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    return Settings(
        store_dsn=store.dsn,
        models_dir=folder.parent,
        webhook_secret_file=tmp_path / "secret",
        api_keys_file=None,
    )


@pytest.fixture
def url(webhooks: Settings, woken: list[tuple[str, str]]) -> Iterator[str]:
    with serve(webhooks, woken) as address:
        yield address


@pytest.fixture
def grafana(url: str) -> Grafana:
    return Grafana(post_over_http(f"{url}/grafana"), SECRET)
