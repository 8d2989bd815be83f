"""A stack of `docker-compose.yaml` that tests bring up: on free ports, with volumes of its own that go with it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclone.places import REPOSITORY
from cyclone.store import Store
from local_platform.processes import free_port
from tests.support.serving import wait_until

FILES = ["docker-compose.yaml"]
HAS_OVERRIDE = "CYCLONE_IMAGE_FOUNDATION" in os.environ
"""Whether this machine has a foundation of its own, as one has that can pull no image: see the override."""
if HAS_OVERRIDE:
    FILES.append("tests/compose/override.yaml")
NOT_STARTED = {"registry", "replay", *(["grafana"] if HAS_OVERRIDE else [])}
"""Services that nobody asked for, or that cannot be pulled."""
PORTS = ("POSTGRES", "AIRFLOW", "MLFLOW", "CLOUD_RUN", "GRAFANA", "REGISTRY")
BUILD_SECONDS, UP_SECONDS = 1800, 900
"""How long a build and `up` may take. The first takes ten minutes on two busy cores."""
READY_SECONDS = 600
"""How long the parts may take after that. Airflow's take two minutes on two busy cores."""
LOG_LINES = "60"
ONCE = {"secrets", "prepare"}
"""The services that do their work and end."""


@dataclass(frozen=True)
class Stack:
    """A stack under its project's name. `variables` are those that docker-compose.yaml asks for."""

    project: str
    variables: Mapping[str, str]
    folder: Path

    @classmethod
    def choose(cls, folder: Path, **more: str) -> "Stack":
        """A stack on free ports that is not started yet."""
        ports = {f"CYCLONE_{name}_PORT": str(free_port(0)) for name in PORTS}
        return cls(f"cyclone-check-{os.getpid()}", {**ports, **more}, folder)

    def compose(self, *arguments: str, seconds: int = 300) -> str:
        """What a command of Docker Compose says. It has to succeed."""
        done = self.run_compose(*arguments, seconds=seconds)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def run_compose(self, *arguments: str, seconds: int = 300) -> "subprocess.CompletedProcess[str]":
        """Run a command of Docker Compose, the plugin or the program."""
        files = [word for file in FILES for word in ("--file", str(REPOSITORY / file))]
        command = [*find_compose(), "--project-directory", str(REPOSITORY), "--project-name", self.project, *files]
        return subprocess.run(
            [*command, *arguments],
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def up(self) -> None:
        """Start what is not started, and return once every part is healthy. Compose waits for some of them only."""
        self.compose("up", "--detach", seconds=UP_SECONDS)
        wait_until(lambda: not self.list_unready(), "every part is healthy", READY_SECONDS)

    def list_unready(self) -> list[str]:
        """The services that are not healthy, or have not done their work yet."""
        states = {name: container["State"] for name, container in self.inspect().items()}
        ready = {name for name, state in states.items() if name in ONCE and state["Status"] == "exited"}
        ready |= {name for name in states.keys() - ONCE if states[name]["Health"]["Status"] == "healthy"}
        return sorted(states.keys() - ready)

    def read_file(self, path: str) -> str:
        """A file that the scheduler sees."""
        return self.compose("exec", "-T", "scheduler", "cat", path)

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.variables[f'CYCLONE_{name}_PORT']}"

    def dsn(self, owner: str, role: str) -> str:
        """The DSN of a database. Its password is in a file of this test's."""
        passfile = self.folder / f"pgpass-{owner}"
        passfile.touch(mode=0o600)
        passfile.write_text(self.read_file(f"/run/cyclone/{owner}/pgpass"))
        return f"postgresql://{role}@127.0.0.1:{self.variables['CYCLONE_POSTGRES_PORT']}/{role}?passfile={passfile}"

    @property
    def store(self) -> Store:
        return Store(self.dsn("store", "cyclone"))

    def inspect(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of each container, by the service's name."""
        ids = self.compose("ps", "--all", "--quiet").split()
        shown = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True).stdout
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in json.loads(shown)}


def find_compose() -> list[str]:
    """The command of Docker Compose that is installed here."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    return ["docker", "compose"]


@contextmanager
def run_stack(folder: Path, **variables: str) -> Iterator[Stack]:
    """Bring a stack up, and remove it with its volumes. Where something fails, the ends of its logs are printed."""
    stack = Stack.choose(folder, **variables)
    try:
        stack.compose("build", seconds=BUILD_SECONDS)  # `up` would take an image of older code that is there
        stack.up()
        yield stack
    except BaseException:
        print(stack.run_compose("ps", "--all").stdout)
        print(stack.run_compose("logs", "--no-color", "--tail", LOG_LINES).stdout)
        raise
    finally:
        stack.run_compose("down", "--volumes", "--remove-orphans")
