"""How an image becomes a program. Everything else about instances is the same for every kind of image."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cyclone.image_contract import BENTOML_HOME_VARIABLE, RUNTIME_VARIABLES
from local_platform.cloud_run.containers import OWNER_LABEL, build_docker_command
from local_platform.cloud_run.run_plan import RunPlan
from local_platform.inheritance import ENGINE, inherit

KEPT = "/kept"
"""Where a container has that folder; the rest of it is read-only or in memory, as on Cloud Run."""


@dataclass(frozen=True)
class Launch:
    """How an instance is started. `environment` is what an image has for itself, beside what the deployment says."""

    command: list[str]
    environment: Mapping[str, str]


BuildLaunch = Callable[[RunPlan, int, Path], Launch]
"""How to start an instance, from its plan, its port and the folder for what outlives it."""


def launch_bento(plan: RunPlan, port: int, kept: Path) -> Launch:
    """Serve the Bento `name:version` of the local store, as its container would.

    BentoML keeps metrics in its home, and clears them at every start: each instance has one.
    """
    store = Path(os.environ.get(BENTOML_HOME_VARIABLE, Path.home() / "bentoml")).resolve()
    root = store.joinpath("bentos", *plan.image.split(":"), "src")
    # An image starts in its bundle's root, where its code is. This process starts elsewhere.
    own = {BENTOML_HOME_VARIABLE: str(kept / f"bentoml-{port}"), "PYTHONPATH": str(root)}
    start = root / "bento_service" / "__main__.py"
    return Launch([sys.executable, "-P", str(start), "127.0.0.1"], _stand_in_for_image(kept) | own)


def launch_python(plan: RunPlan, port: int, kept: Path) -> Launch:
    """Run the Python file that the image is; it listens on 127.0.0.1 and the port in the environment, `PORT`."""
    return Launch([sys.executable, plan.image], _stand_in_for_image(kept))


def _stand_in_for_image(kept: Path) -> dict[str, str]:
    """What every image sets, and a process on this machine has to be told. None of it is the user's."""
    home = kept / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        # Libraries ask programs of the system what machine this is. This Python's own come first.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
        # Without it a Python that was built with a shared library may not find that.
        **{name: value for name, value in inherit().items() if name == "LD_LIBRARY_PATH"},
        "LANG": "C.UTF-8",  # as in Python's images: text is UTF-8 on any machine
        "HOME": str(home),  # in the user's own are passwords and settings that a container does not have
        "TMPDIR": str(kept),  # a spool that a killed instance leaves is found by the next one
    }


def launch_container(plan: RunPlan, port: int, kept: Path) -> Launch:
    """Run the image as a container that has no rights, a read-only root, and the revision's memory limit."""
    kept.chmod(0o1777)  # the image's user has it too
    options = ["--label", f"{OWNER_LABEL}={kept}", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    options += ["--read-only", "--tmpfs", "/tmp", "--volume", f"{kept}:{KEPT}", "--env", f"TMPDIR={KEPT}"]  # noqa: S108
    options += ["--memory", str(plan.memory_bytes)] if plan.memory_bytes else []
    if os.getuid() != 0:
        options += ["--user", f"{os.getuid()}:{os.getgid()}"]  # what it leaves is ours to remove
    for name in (*RUNTIME_VARIABLES, *plan.env):
        options += ["--env", name]  # the client's own value: on the command line everybody could read it
    return Launch(build_docker_command(options, plan.image), inherit(*ENGINE))


RUNNERS: Mapping[str, BuildLaunch] = {
    "bento": launch_bento,
    "container": launch_container,
    "python": launch_python,
}
