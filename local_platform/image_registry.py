"""The local registry of images: Debian's `docker-registry`, or the same program as the container `registry:2`."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cyclone.errors import PlatformError
from local_platform.cloud_run.containers import build_docker_command
from local_platform.inheritance import ENGINE, inherit
from local_platform.processes import GuardedProcess

CONTAINER_IMAGE = "registry:2"
# The time that the registry may take to end after SIGTERM. Then it is killed. The value is a choice.
_STOP_SECONDS = 10.0


def start_registry(folder: Path, port: int, extra: Mapping[str, Any] | None = None) -> GuardedProcess:
    """Start a registry on 127.0.0.1 that keeps its images in `folder`, without waiting until it is ready.

    `extra` adds to its configuration. Errors: `PlatformError` when neither the program nor an engine is there.
    """
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "health": {"storagedriver": {"enabled": False}},
        "log": {"level": "error"},
        **(extra or {}),
    }
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(config))
    if shutil.which("docker-registry"):
        command = ["docker-registry", "serve", str(path)]
    elif shutil.which("docker"):
        command = build_docker_command(["--volume", f"{folder}:{folder}"], CONTAINER_IMAGE, ["serve", str(path)])
    else:
        raise PlatformError(
            "a local registry needs docker-registry or Docker, and neither is installed."
            " Install Debian's package docker-registry"
        )
    return GuardedProcess.start(
        "registry", command, inherit(*ENGINE), folder / "registry.log", grace_seconds=_STOP_SECONDS
    )
