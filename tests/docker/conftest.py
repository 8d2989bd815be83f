"""Fixtures of real containers: an engine, a registry, the base image of this source, and a store that they reach."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclone.settings import Settings, read_settings
from cyclone.store import Store
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port
from tests.support.image_registry import ImageRegistry, run_registry
from tests.support.serving import pack_bundle
from training.images.bundle import CODE

STARTER = ".ci/container-engine make test-docker"


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """A container engine that answers here and shares this machine's network."""
    if sys.platform != "linux":
        pytest.skip("containers share the host's network on Linux only")
    if shutil.which("docker") is None:
        pytest.skip(f"docker is not installed; root on a Debian without it: {STARTER}")
    asked = subprocess.run(["docker", "version"], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        pytest.skip(f"no container engine answers ({asked.stderr.strip()}); root on Debian: {STARTER}")


@pytest.fixture(scope="session")
def registry(engine: None) -> Iterator[ImageRegistry]:
    with tempfile.TemporaryDirectory(prefix="cyclone-registry-") as folder, run_registry(Path(folder)) as running:
        yield running


@pytest.fixture(scope="session")
def images(registry: ImageRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose images go to the registry, with the base there."""
    from training.images.base import push_base

    folder = tmp_path_factory.mktemp("images")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(folder / "bentoml"))
        patch.setenv("CYCLONE_IMAGE_REPOSITORY", f"{registry.address}/cyclone")
        patch.setenv("CYCLONE_WORK_DIR", str(folder / "work"))
        (folder / "bentoml").mkdir()
        settings = read_settings()
        push_base(settings)
        yield settings


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed model without the code: what its layer holds."""
    folder = tmp_path_factory.mktemp("model") / "v3"
    pack_bundle(folder)
    for name in CODE:
        shutil.rmtree(folder / name)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Store]:
    """A migrated store behind TCP."""
    with tempfile.TemporaryDirectory(prefix="cyclone-docker-pg-") as folder:
        os.chmod(folder, 0o755)
        with EmbeddedPostgres.start(Path(folder), free_port(0)) as server:
            store = Store(server.dsn())
            store.migrate()
            yield store
