"""How an image becomes a program. Everything else about instances is the same for every kind of image."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cyclone.image_contract import BENTOML_HOME_VARIABLE, RUNTIME_VARIABLES
from local_platform.cloud_run.containers import OWNER_LABEL, build_docker_command
from local_platform.cloud_run.run_plan import Runnable
from local_platform.inheritance import ENGINE, inherit

KEPT = "/kept"
"""Where a container has the folder for what outlives it. All else is read-only or in memory, as on Cloud Run."""


@dataclass(frozen=True)
class Launch:
    """How an instance is started. `environment` is what an image sets for itself, beside what the deployment says."""

    command: list[str]
    environment: Mapping[str, str]


BuildLaunch = Callable[[Runnable, int, Path], Launch]
"""A function that says how to start a container, from its plan, its port, and the folder for what outlives it."""


def launch_bento(plan: Runnable, port: int, kept: Path) -> Launch:
    """Serve the Bento `name:version` of the local store, as its container would.

    BentoML keeps metrics in its home and clears them at every start, so each instance has a home of its own.
    """
    store = Path(os.environ.get(BENTOML_HOME_VARIABLE, Path.home() / "bentoml")).resolve()
    root = store.joinpath("bentos", *plan.image.split(":"), "src")
    # An image starts in its bundle's root, where its code is. This process starts elsewhere.
    own = {BENTOML_HOME_VARIABLE: str(kept / f"bentoml-{port}"), "PYTHONPATH": str(root)}
    start = root / "bento_service" / "__main__.py"
    return Launch([sys.executable, "-P", str(start), "127.0.0.1"], _stand_in_for_image(kept) | own)


def launch_python(plan: Runnable, port: int, kept: Path) -> Launch:
    """Run the Python file that the image is. It has to listen on 127.0.0.1 at the port in its variable `PORT`."""
    return Launch([sys.executable, plan.image, *plan.args], _stand_in_for_image(kept))


def _stand_in_for_image(kept: Path) -> dict[str, str]:
    """The variables that every image sets, and that a process has to be given. None is taken from the user."""
    home = kept / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        # Libraries ask programs of the system what machine this is. This Python's own come first.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
        # Without it a Python that was built with a shared library may not find that.
        **{name: value for name, value in inherit().items() if name == "LD_LIBRARY_PATH"},
        "LANG": "C.UTF-8",  # as in Python's images, so that text is UTF-8 on any machine
        "HOME": str(home),  # the user's own has passwords and settings that a container does not have
        "TMPDIR": str(kept),  # so that the next instance finds the spool that a killed one leaves
    }


def launch_container(plan: Runnable, port: int, kept: Path) -> Launch:
    """Run the image as a container that has no rights, a read-only root, and the revision's memory limit."""
    kept.chmod(0o1777)  # the image's user writes there too
    options = ["--label", f"{OWNER_LABEL}={kept}", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    options += ["--read-only", "--tmpfs", "/tmp", "--volume", f"{kept}:{KEPT}", "--env", f"TMPDIR={KEPT}"]  # noqa: S108
    options += ["--memory", str(plan.memory_bytes)] if plan.memory_bytes else []
    if os.getuid() != 0:
        options += ["--user", f"{os.getuid()}:{os.getgid()}"]  # so that this account can remove what it leaves
    for name in (*RUNTIME_VARIABLES, *plan.env, *plan.secrets):
        options += ["--env", name]  # by name only: everybody could read a value on the command line
    return Launch(build_docker_command(options, plan.image, list(plan.args)), inherit(*ENGINE))


RUNNERS: Mapping[str, BuildLaunch] = {
    "bento": launch_bento,
    "container": launch_container,
    "python": launch_python,
}
"""The kinds of images, by the name that `--runner` takes."""
