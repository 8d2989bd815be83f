"""The command that an image starts the service with: `python -m bento_service [HOST]`.

It listens on the port that Cloud Run names in `PORT`. One worker is started without a shell and without BentoML's
supervisor. The supervisor is a process that loads the service a second time. Without it a cold start takes a quarter
less time, and the instance 70 MB less memory. The instance ends with its worker, and Cloud Run starts another.
"""

import os
import shutil
import socket
import sys
from pathlib import Path

from bento_service.ending import FINISH_SECONDS
from cyclone.image_contract import (
    BENTOML_CONFIG_VARIABLE,
    BENTOML_HOME_VARIABLE,
    BENTOML_OPTIONS_VARIABLE,
    METRICS_DIR_VARIABLE,
    PORT_VARIABLE,
    SERVICE_TARGET,
)

ROOT = Path(__file__).resolve().parent.parent
BACKLOG = 2048
"""The connections that may wait to be accepted. It is BentoML's own default."""
CONFIGURED = (BENTOML_CONFIG_VARIABLE, BENTOML_OPTIONS_VARIABLE)
"""Variables that configure BentoML. With one of them there may be several workers, so the supervisor starts them."""


def main(host: str = "0.0.0.0") -> None:  # noqa: S104 (within a container)
    """Become the server. This does not return."""
    os.chdir(ROOT)
    port = os.environ.get(PORT_VARIABLE, "8080")
    ending = ["--timeout-graceful-shutdown", str(FINISH_SECONDS)]
    if any(os.environ.get(name) for name in CONFIGURED):
        address = ["--host", host, "--port", port, "--api-workers", "1"]
        run(["-m", "bentoml", "serve", SERVICE_TARGET, *address, *ending])
    listening = socket.create_server((host, int(port)), backlog=BACKLOG)
    listening.set_inheritable(True)
    os.environ[METRICS_DIR_VARIABLE] = str(prepare_metrics())
    name = SERVICE_TARGET.rpartition(":")[2]
    worker = ["-m", "_bentoml_impl.worker.service", SERVICE_TARGET, "--service-name", name, "--worker-id", "1"]
    run([*worker, "--fd", str(listening.fileno()), "--backlog", str(BACKLOG), *ending])


def prepare_metrics() -> Path:
    """The folder in which the workers share their metrics, made empty. It is where BentoML's supervisor has it."""
    folder = Path(os.environ.get(BENTOML_HOME_VARIABLE) or Path.home() / "bentoml") / "prometheus_multiproc_dir"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run(arguments: list[str]) -> None:
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 (no shell wanted)


if __name__ == "__main__":
    main(*sys.argv[1:])
