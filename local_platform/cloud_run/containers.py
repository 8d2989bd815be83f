"""Runs a container that ends with this program: `containers.py DOCKER-RUN-ARGUMENTS…`.

A `docker run` that is killed leaves its container behind. So does one whose container ignores SIGTERM. Here SIGTERM and
SIGINT stop the container, and the engine kills it when that takes too long. When this program itself is killed by `kill
-9`, `remove_containers` removes the container at the next start.

It runs as a file under `python -I -S`, which starts in a fifth of the time.
"""

import os
import signal
import subprocess
import sys

OWNER_LABEL = "cyclone.owner"
"""The label that says who started a container."""
STOP_SECONDS = 9
"""How long a container may take to stop. A second less than on Cloud Run is left to the engine's own work."""


def build_docker_command(options: list[str], image: str, arguments: list[str] | None = None) -> list[str]:
    """The command that runs an image in the network of this machine."""
    run = ["--network", "host", *options, image, *(arguments or [])]
    return [sys.executable, "-I", "-S", __file__, *run]


def remove_containers(owner: str) -> None:
    """Remove every container that was started with this owner's label."""
    listed = subprocess.run(
        ["docker", "ps", "--all", "--quiet", "--filter", f"label={OWNER_LABEL}={owner}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if names := listed.stdout.split():
        subprocess.run(["docker", "rm", "--force", *names], capture_output=True, check=False)


def main(arguments: list[str]) -> int:
    """Run until the container ends or a signal comes. Return the container's exit code."""
    name = f"cyclone-{os.getpid()}-{os.urandom(4).hex()}"
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, {*signals, signal.SIGCHLD})  # sigwait takes them one by one below
    process = subprocess.Popen(
        ["docker", "run", "--rm", "--name", name, *arguments],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None:
        if signal.sigwait({*signals, signal.SIGCHLD}) in signals:
            stop = ["docker", "stop", "-t", str(STOP_SECONDS), name]
            if subprocess.run(stop, capture_output=True, check=False).returncode:
                process.kill()  # it had no container yet
                process.wait()
                subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
