"""How an image becomes a program."""

import os
import sys
from pathlib import Path

import pytest

from local_platform.cloud_run.images import (
    KEPT,
    Launch,
    launch_bento,
    launch_container,
    launch_python,
)
from local_platform.cloud_run.run_plan import RunPlan
from local_platform.cloud_run.startup import StartupProbe

SECRETS = {
    "CYCLONE_STORE_DSN": "postgresql://admin:secret@host/cyclone",
    "CYCLONE_API_KEYS_FILE": "/home/me/keys.json",
    "GOOGLE_APPLICATION_CREDENTIALS": "/home/me/key.json",
    "AIRFLOW__CORE__FERNET_KEY": "secret",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for what outlives instances, and an environment of whoever started the stand-in."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "store"))
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/own.sock")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    kept = tmp_path / "kept"
    kept.mkdir()
    return kept


def build_plan(image: str, env: dict[str, str] | None = None) -> RunPlan:
    return RunPlan("bike", "bike-v1", image, env or {}, 0, 80, 0, 1, 300, StartupProbe("/readyz", (), 0, 1, 120))


def test_instances_of_bentos_run_their_own_code_and_have_a_home_each(folder: Path) -> None:
    root = folder.parent / "store" / "bentos" / "bike_demand" / "v1" / "src"
    assert [launch_bento(build_plan("bike_demand:v1"), port, folder) for port in (81, 82)] == [
        Launch(
            [sys.executable, "-P", str(root / "bento_service" / "__main__.py"), "127.0.0.1"],
            {
                "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
                "LANG": "C.UTF-8",
                "HOME": str(folder / "home"),
                "TMPDIR": str(folder),
                "BENTOML_HOME": str(folder / f"bentoml-{port}"),
                "PYTHONPATH": str(root),
            },
        )
        for port in (81, 82)
    ]
    assert (folder / "home").is_dir()


def test_an_instance_of_a_python_file_has_what_a_process_needs_and_nothing_of_its_platform(folder: Path) -> None:
    launch = launch_python(build_plan("/image.py"), 81, folder)
    assert launch.command == [sys.executable, "/image.py"]
    assert set(launch.environment) == {"PATH", "LANG", "HOME", "TMPDIR"}


def test_a_container_gets_what_deployment_and_cloud_run_say_and_its_client_the_way_to_the_engine(folder: Path) -> None:
    launch = launch_container(build_plan("bike@sha256:1", {"CYCLONE_API_KEYS": "{}"}), 81, folder)
    told = [after for before, after in zip(launch.command, launch.command[1:], strict=False) if before == "--env"]
    assert told == [f"TMPDIR={KEPT}", "PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "CYCLONE_API_KEYS"]
    assert launch.environment["DOCKER_HOST"] == "unix:///run/own.sock"
    assert not launch.environment.keys() & {*SECRETS, "BENTOML_HOME"}
