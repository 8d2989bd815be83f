"""A stack in a real engine, which the tests of this folder share."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.stack import Stack, run_stack

STARTER = ".ci/container-engine make check-compose"
REPLAY = {"CYCLONE_CLOCK": "replay", "CYCLONE_MONITOR_SCHEDULE": "0 0 * * *"}
EVERY_MINUTE = {"CYCLONE_MONITOR_SCHEDULE": "* * * * *"}


@pytest.fixture(scope="session")
def engine() -> None:
    """A container engine that answers here."""
    for program in ("docker", "docker-compose"):
        if shutil.which(program) is None and (program == "docker" or not _has_plugin()):
            pytest.fail(f"{program} is not installed; root on a Debian without it: {STARTER}")
    asked = subprocess.run(["docker", "version"], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        pytest.fail(f"no container engine answers ({asked.stderr.strip()}); root on Debian: {STARTER}")


def _has_plugin() -> bool:
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def stack(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack in the present, whose monitor looks every minute. With LOOP=1 it lives in a replay."""
    folder: Path = tmp_path_factory.mktemp("stack")
    with run_stack(folder, **(REPLAY if os.environ.get("LOOP") else EVERY_MINUTE)) as running:
        yield running
