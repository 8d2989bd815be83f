"""Where the tasks and triggers under test find their store and their models: in variables, as in Airflow."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclone.settings import Settings, read_settings
from cyclone.store import Store

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session", autouse=True)
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An Airflow of its own whose jobs are of OpenLineage's namespace `cyclone`; both are read once a process."""
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
