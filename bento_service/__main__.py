"""How an image starts the service: `python -m bento_service [HOST]`, on the port that Cloud Run names in `PORT`.

Without a shell, and for one worker without BentoML's supervisor, whose process loads the service a second time: a cold
start takes a quarter less, and 70 MB. Who ends a worker ends the instance, and Cloud Run starts another.
"""

import os
import shutil
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVICE = "PredictionService"
TARGET = f"bento_service.service:{SERVICE}"
BACKLOG = 2048
CONFIGURED = ("BENTOML_CONFIG", "BENTOML_CONFIG_OPTIONS")
"""Who sets one of them may want several workers."""


def main(host: str = "0.0.0.0") -> None:  # noqa: S104 (within a container)
    """Become the server; this does not return."""
    os.chdir(ROOT)
    port = os.environ.get("PORT", "8080")
    if any(os.environ.get(name) for name in CONFIGURED):
        run(["-m", "bentoml", "serve", TARGET, "--host", host, "--port", port, "--api-workers", "1"])
    listening = socket.create_server((host, int(port)), backlog=BACKLOG)
    listening.set_inheritable(True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(prepare_metrics())
    worker = ["-m", "_bentoml_impl.worker.service", TARGET, "--service-name", SERVICE, "--worker-id", "1"]
    run([*worker, "--fd", str(listening.fileno()), "--backlog", str(BACKLOG)])


def prepare_metrics() -> Path:
    """An empty folder for the counts, where BentoML's supervisor has it."""
    folder = Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml") / "prometheus_multiproc_dir"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run(arguments: list[str]) -> None:
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 (no shell wanted)


if __name__ == "__main__":
    main(*sys.argv[1:])
