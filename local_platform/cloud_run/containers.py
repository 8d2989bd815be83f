"""Runs a container that ends with this program: `containers.py DOCKER-RUN-ARGUMENTS…`.

`docker run` alone leaves a container behind when it is killed, and one that ignores SIGTERM. Here SIGTERM and SIGINT
stop the container, and the engine kills it when that takes too long. What is left after `kill -9` of this program is
removed by `remove_containers` at the next start.

It runs as a file under `python -I -S`, which starts in a fifth of the time.
"""

import os
import signal
import subprocess
import sys

OWNER_LABEL = "cyclone.owner"
STOP_SECONDS = 9
"""A second less than Cloud Run gives, for the engine's own work."""


def build_docker_command(options: list[str], image: str, arguments: list[str] | None = None) -> list[str]:
    """The command that runs an image in this machine's network."""
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
    """Run until the container ends or a signal comes; its exit code."""
    name = f"cyclone-{os.getpid()}-{os.urandom(4).hex()}"
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, {*signals, signal.SIGCHLD})  # taken one by one below
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
