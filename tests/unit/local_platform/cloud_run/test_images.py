"""How an image becomes a command."""

from pathlib import Path

import pytest

from local_platform.cloud_run.images import build_bento_command
from local_platform.cloud_run.instances import RunPlan
from local_platform.cloud_run.startup import StartupProbe


def test_instances_of_bentos_share_the_store_and_have_a_home_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store" / "bentos" / "bike_demand").mkdir(parents=True)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "store"))
    plan = RunPlan("bike", "bike-v1", "bike_demand:v1", {}, 0, 80, 0, 1, 300, StartupProbe("/readyz", (), 0, 1, 120))
    homes = [build_bento_command(plan, port, tmp_path)[1].removeprefix("BENTOML_HOME=") for port in (81, 82, 81)]
    assert homes == [str(tmp_path / f"bentoml-{port}") for port in (81, 82, 81)]
    assert [[path.name for path in Path(home, "bentos").iterdir()] for home in homes] == [["bike_demand"]] * 3
