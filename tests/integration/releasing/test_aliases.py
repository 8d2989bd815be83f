"""Aliases over the REST API of a real MLflow server, and what goes its client's way."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclone.settings import Settings
from local_platform.mlflow_server import start_mlflow
from local_platform.processes import free_port, wait_until_ready
from releasing.aliases import drop_alias, find_alias, set_alias
from tests.support.staged_releases import register_versions

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys
from cyclone.settings import read_settings
from releasing.aliases import drop_alias, find_alias, set_alias
settings = read_settings()
set_alias(settings, "bike_demand", "champion", 2)
drop_alias(settings, "bike_demand", "challenger", 2)
print(find_alias(settings, "bike_demand", "champion"), "mlflow" in sys.modules)
"""


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Settings that lead to an MLflow server with two versions. The second is the challenger."""
    register_versions(settings, 2)
    port = free_port(0)
    with start_mlflow(tmp_path, settings.mlflow_uri, port) as server:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{address}/health", 120, server)
        yield settings.model_copy(update={"mlflow_uri": address})


def test_aliases_move_without_the_client_and_only_from_the_version_that_is_meant(served: Settings) -> None:
    variables = os.environ | {"MLFLOW_TRACKING_URI": served.mlflow_uri}
    script = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(script, env=variables, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n"
    assert find_alias(served, "bike_demand", "challenger") is None
    drop_alias(served, "bike_demand", "champion", 1)
    assert find_alias(served, "bike_demand", "champion") == 2
    assert find_alias(served, "unknown", "champion") is None
    with pytest.raises(Exception, match="version=9"):
        set_alias(served, "bike_demand", "champion", 9)
