"""The local Cloud Run with images of a registry: revisions are containers, and none outlives it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.cloud_run.containers import OWNER_LABEL
from local_platform.processes import GuardedProcess, free_port, wait_until_ready
from releasing.cloud_run import CloudRun
from tests.support.serving import ROW, wait_until
from training.images.image import append_layer, remove_image
from training.images.repository import ImageRepository

pytestmark = pytest.mark.docker
REPOSITORY = Path(__file__).resolve().parents[2]
REVISION = "bike-demand-v3"


@contextmanager
def run_cloud_run(state_dir: Path, port: int) -> Iterator[GuardedProcess]:
    command = [sys.executable, "-m", "local_platform.cloud_run", "--runner", "container", "--port", str(port)]
    log = state_dir / "cloud_run.log"
    with GuardedProcess.start(
        "cloud run", [*command, "--state-dir", str(state_dir)], None, log, grace_seconds=30, cwd=REPOSITORY
    ) as process:
        wait_until_ready(f"http://127.0.0.1:{port}/healthz", 60, process)
        yield process


def list_containers(state_dir: Path) -> list[str]:
    mine = f"label={OWNER_LABEL}={state_dir / 'tmp'}"
    listed = subprocess.run(["docker", "ps", "-aq", "--filter", mine], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def read_environment(thing: str) -> dict[str, str]:
    """The variables of a container or an image."""
    inspect = ["docker", "inspect", "--format", "{{json .Config.Env}}", thing]
    shown = subprocess.run(inspect, capture_output=True, text=True, check=True)
    return dict(each.split("=", 1) for each in json.loads(shown.stdout))


def predict(address: str) -> str:
    answer = requests.post(f"{address}/predict", json={"rows": [ROW]}, timeout=60)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["revision"])


def test_a_revision_is_a_container_that_is_replaced_when_killed_and_gone_at_the_end(
    images: Settings,
    model: Path,
    postgres: Store,
    bike_demand: ModelSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CYCLONE_TRAINING_DSN", "postgresql://admin:secret@replica/cyclone")
    repository = ImageRepository(f"{images.image_repository}/bike_demand")
    image = f"{repository.name}@{append_layer(images, repository, 'v3', model, {})}"
    port = free_port(0)
    cloud = CloudRun(images.model_copy(update={"cloud_run_endpoint": f"http://127.0.0.1:{port}"}))
    serving = bike_demand.serving.model_copy(update={"min_instances": 1, "max_instances": 1})
    with run_cloud_run(tmp_path, port):
        running = cloud.deploy("bike-demand", REVISION, "v3", image, serving, {"CYCLONE_STORE_DSN": postgres.dsn})
        assert predict(running.address) == predict(running.tag_addresses["v3"]) == REVISION
        (first,) = list_containers(tmp_path)
        told = read_environment(first).keys() - read_environment(image).keys()
        assert told == {"CYCLONE_STORE_DSN", "TMPDIR", "PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}
        subprocess.run(["docker", "kill", first], capture_output=True, check=True)
        wait_until(lambda: list_containers(tmp_path) not in ([], [first]), "another container has been started")
        assert predict(running.address) == REVISION
    assert list_containers(tmp_path) == []
    left = ["docker", "run", "--detach", f"--label={OWNER_LABEL}={tmp_path / 'tmp'}", "--network=none"]
    subprocess.run([*left, "--entrypoint=/usr/bin/sleep", image, "600"], capture_output=True, check=True)
    assert len(list_containers(tmp_path)) == 1
    with run_cloud_run(tmp_path, port):
        assert predict(running.address) == REVISION
        assert len(list_containers(tmp_path)) == 1
    remove_image(image, 3)
    assert repository.read_manifest("v3") is None
    remove_image(image, 3)
