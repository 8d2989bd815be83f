"""A model image as a container: it answers and logs on a read-only root, without root rights and without a shell."""

import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from packaging.requirements import Requirement

from cyclone.places import REPOSITORY
from cyclone.settings import Settings
from cyclone.store import Store
from local_platform.processes import free_port
from tests.support.serving import ROW, wait_until
from training.images.base import name_base, open_repository, push_base
from training.images.bundle import find_requirements
from training.images.image import append_layer
from training.images.repository import ImageRepository

pytestmark = pytest.mark.docker
LABELS = {"org.opencontainers.image.version": "v3", "cyclone.version": "3"}
START_SECONDS = 120


@pytest.fixture(scope="module")
def image(images: Settings, model: Path) -> str:
    """The reference of the model's image."""
    repository = ImageRepository(f"{images.image_repository}/bike_demand")
    return f"{repository.name}@{append_layer(images, repository, 'v3', model, LABELS)}"


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


class Container:
    """A running container of a model image."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.address = name, f"http://127.0.0.1:{port}"

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.address}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def predict(self, *rows: Any) -> Any:
        answer = requests.post(f"{self.address}/predict", json={"rows": rows}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def inspect(self, template: str) -> str:
        return docker("inspect", "--format", template, self.name)


@contextmanager
def run_container(image: str, store: Store, *options: str) -> Iterator[Container]:
    """Run the image with nothing writable but `/tmp`."""
    container = Container(f"cyclone-test-{uuid.uuid4().hex[:12]}", free_port(0))
    port = container.address.rsplit(":", 1)[1]
    env = ["--env", f"PORT={port}", "--env", f"CYCLONE_STORE_DSN={store.dsn}", "--env", "K_REVISION=bike-demand-v3"]
    docker("run", "--detach", "--name", container.name, "--network", "host", "--read-only", *env, *options, image)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not container.is_ready():
            assert container.inspect("{{.State.Running}}") == "true", docker("logs", container.name)
            assert time.monotonic() < deadline, docker("logs", container.name)
            time.sleep(0.1)
        yield container
    finally:
        docker("rm", "--force", container.name)


def read_log(store: Store, ids: list[str]) -> list[tuple[Any, ...]]:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT id, version, revision FROM prediction_log WHERE id = ANY(%s) ORDER BY id", (ids,))
        return cursor.fetchall()


@pytest.mark.parametrize("user", ["", "4242:4242"])
def test_it_answers_and_logs_on_a_read_only_root_without_root_rights_and_without_a_shell(
    image: str, postgres: Store, user: str
) -> None:
    no_shell = [f"--volume=/dev/null:/usr/bin/{name}:ro" for name in ("bash", "dash")]
    whoever = ["--user", user] if user else []
    with run_container(image, postgres, "--tmpfs", "/tmp", "--cap-drop=ALL", *no_shell, *whoever) as container:
        answer = container.predict(ROW, ROW)
        assert (answer["version"], answer["revision"]) == (3, "bike-demand-v3")
        ids = [each["id"] for each in answer["predictions"]]
        wait_until(lambda: len(read_log(postgres, ids)) == 2, "both rows are in the store")
        assert read_log(postgres, ids) == [(id_, 3, "bike-demand-v3") for id_ in sorted(ids)]
        assert container.inspect("{{.Config.User}}") == (user or "1034:1034")
        docker("stop", "--time", "9", container.name)
        assert container.inspect("{{.State.ExitCode}}") == "0"


def test_rows_of_a_killed_container_are_taken_over_from_the_mounted_spool(
    image: str, postgres: Store, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    spool = ["--volume", f"{tmp_path}:/spool", "--env", "CYCLONE_SPOOL_DIR=/spool/base", "--tmpfs", "/tmp"]
    with run_container(image, postgres, *spool) as container:
        answer = container.predict(ROW)
        docker("kill", container.name)
    assert len(list((tmp_path / "base").glob("*/instance.json"))) == 1
    assert (tmp_path / "base").stat().st_uid == 1034
    with run_container(image, postgres, *spool):
        ids = [each["id"] for each in answer["predictions"]]
        wait_until(lambda: len(read_log(postgres, ids)) == 1, "the killed container's row is in the store")


def test_an_image_says_what_it_is(image: str, images: Settings) -> None:
    docker("pull", "--quiet", image)
    labels = json.loads(docker("inspect", "--format", "{{json .Config.Labels}}", image))
    assert LABELS.items() <= labels.items()
    assert labels["org.opencontainers.image.revision"]


def test_the_base_is_built_once_and_holds_the_locked_packages_and_no_model(images: Settings) -> None:
    reference = push_base(images)
    assert reference == f"{images.image_repository}/base:{name_base(images)}"
    built = docker("inspect", "--format", "{{.Id}}", reference)
    assert push_base(images) == reference
    assert docker("inspect", "--format", "{{.Id}}", reference) == built
    script = (
        "import json; from importlib.metadata import distributions; "
        "print(json.dumps({each.name: each.version for each in distributions()}))"
    )
    run = ["run", "--rm", "--network=none", "--entrypoint=/app/.venv/bin/python", reference]
    installed = {name.lower().replace("_", "-"): what for name, what in json.loads(docker(*run, "-c", script)).items()}
    assert installed == read_lock()
    listed = docker(*run, "-c", "import os; print(sorted(os.listdir('src')))")
    assert listed == "['bento_service', 'bentofile.yaml', 'cyclone', 'serving.txt', 'sql']"
    assert open_repository(images).read_manifest(name_base(images)) is not None


def test_make_base_image_pushes_the_one_of_this_source(images: Settings) -> None:
    command = ["make", "--silent", "base-image"]
    made = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert made.stdout == f"{push_base(images)}\n"


def read_lock() -> dict[str, str]:
    lines = [line.removesuffix(" \\") for line in find_requirements().read_text().splitlines() if line[:1].isalpha()]
    pinned = [Requirement(line) for line in lines]
    fitting = [each for each in pinned if each.marker is None or each.marker.evaluate()]
    return {each.name: str(each.specifier).removeprefix("==") for each in fitting}


def test_a_base_without_a_model_says_what_is_missing(images: Settings) -> None:
    command = ["docker", "run", "--rm", "--workdir=/home/bentoml/bento/src", "--entrypoint=/app/.venv/bin/python"]
    started = subprocess.run(
        [*command, "--network=host", f"--env=PORT={free_port(0)}", push_base(images), "-m", "bento_service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode != 0
    assert "release.json: the file cannot be read. Start the service" in started.stdout + started.stderr
