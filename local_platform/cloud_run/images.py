"""How an image becomes a command. Everything else about instances is the same for every kind of image."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from local_platform.cloud_run.containers import OWNER_LABEL, build_docker_command
from local_platform.cloud_run.run_plan import RunPlan

BuildCommand = Callable[[RunPlan, int, Path], list[str]]
"""The command of an instance, from its plan, its port and the folder for what outlives it."""
KEPT = "/kept"
"""Where a container has that folder; the rest of it is read-only or in memory, as on Cloud Run."""


def build_bento_command(plan: RunPlan, port: int, kept: Path) -> list[str]:
    """Serve the Bento `name:version` of the local store, as its container would.

    BentoML keeps metrics in its home, and clears them at every start: each instance has one.
    """
    store = Path(os.environ.get("BENTOML_HOME", Path.home() / "bentoml")).resolve()
    start = store.joinpath("bentos", *plan.image.split(":"), "src", "bento_service", "__main__.py")
    return ["env", f"BENTOML_HOME={kept / f'bentoml-{port}'}", sys.executable, "-P", str(start), "127.0.0.1"]


def build_python_command(plan: RunPlan, port: int, kept: Path) -> list[str]:
    """Run the Python file that the image is; it listens on 127.0.0.1 and the port in the environment, `PORT`."""
    return [sys.executable, plan.image]


def build_container_command(plan: RunPlan, port: int, kept: Path) -> list[str]:
    """Run the image as a container that has no rights, a read-only root, and the revision's memory limit."""
    kept.chmod(0o1777)  # the image's user has it too
    options = ["--label", f"{OWNER_LABEL}={kept}", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    options += ["--read-only", "--tmpfs", "/tmp", "--volume", f"{kept}:{KEPT}", "--env", f"TMPDIR={KEPT}"]  # noqa: S108
    options += ["--memory", str(plan.memory_bytes)] if plan.memory_bytes else []
    if os.getuid() != 0:
        options += ["--user", f"{os.getuid()}:{os.getgid()}"]  # what it leaves is ours to remove
    for name in ("PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", *plan.env):
        options += ["--env", name]
    return build_docker_command(options, plan.image)


RUNNERS: Mapping[str, BuildCommand] = {
    "bento": build_bento_command,
    "container": build_container_command,
    "python": build_python_command,
}
