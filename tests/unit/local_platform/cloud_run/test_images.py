"""How an image becomes a command."""

import sys
from pathlib import Path

import pytest

from local_platform.cloud_run.images import build_bento_command
from local_platform.cloud_run.run_plan import RunPlan
from local_platform.cloud_run.startup import StartupProbe


def test_instances_of_bentos_run_their_own_code_and_have_a_home_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "store"))
    plan = RunPlan("bike", "bike-v1", "bike_demand:v1", {}, 0, 80, 0, 1, 300, StartupProbe("/readyz", (), 0, 1, 120))
    start = tmp_path / "store" / "bentos" / "bike_demand" / "v1" / "src" / "bento_service" / "__main__.py"
    assert [build_bento_command(plan, port, tmp_path / "kept") for port in (81, 82)] == [
        ["env", f"BENTOML_HOME={tmp_path}/kept/bentoml-{port}", sys.executable, "-P", str(start), "127.0.0.1"]
        for port in (81, 82)
    ]
