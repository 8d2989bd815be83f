"""Which hosts programs ask: every connection and every look-up of a name, of whatever they start too, by strace.

A hook inside Python would not see what libraries in C do, as those of Postgres and gRPC.
"""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

STRACE = ("strace", "-D", "-f", "-qqq", "--seccomp-bpf", "--signal=none", "--trace=connect,sendmmsg")
"""`-D`: the program stays our child, and strace ends with the last of those it watches."""
CONNECTION = re.compile(r"connect\(.*?sa_family=AF_INET6?, .*?htons\((\d+)\).*?\"([0-9a-f.:]+)\"")
LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.")
DNS_PORT = "53"
OPT_OUTS = ("BENTOML_DO_NOT_TRACK", "DO_NOT_TRACK", "GX_ANALYTICS_ENABLED", "MLFLOW_DISABLE_TELEMETRY")
TESTERS = ("CI", "PYTEST_CURRENT_TEST", "PYTEST_VERSION", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TF_BUILD")


def find_program(*names: str, package: str = "") -> str:
    """The first of these programs that is here. Without one the test is skipped, and in CI it fails.

    `package` is the Debian package that has it, by default one of the first name.
    """
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"CI has no {names[0]}: .ci/run installs it")
    if found is None:
        pytest.skip(f"{names[0]} is not here; on Debian: apt-get install {package or names[0]}")
    return found


def forget_tests(environment: dict[str, str]) -> dict[str, str]:
    """An environment as a user has it: MLflow reports nothing from tests, and nobody has opted out by hand."""
    return {name: value for name, value in environment.items() if name not in (*OPT_OUTS, *TESTERS)}


def watch(command: Sequence[str | Path], log: Path) -> list[str]:
    """The command under a watch that writes to `log`, where strace is here. Else the command.

    The watch keeps the command's output open until the last program ends that it started.
    """
    watching = [*STRACE, f"--output={log}"] if shutil.which(STRACE[0]) else []
    return [*watching, *map(str, command)]


def count_connections(log: Path) -> int:
    """How many connections were begun, to any host: none would mean that nothing was watched."""
    return len(CONNECTION.findall(log.read_text(errors="replace")))


def list_foreign(log: Path) -> list[str]:
    """What went to another host, or would have told a name server about one: the lines of strace."""
    return [line for line in log.read_text(errors="replace").splitlines() if _is_foreign(line)]


def _is_foreign(line: str) -> bool:
    found = CONNECTION.search(line)
    if found is None:
        return "sendmmsg(" in line  # a look-up: the resolver sends both of its questions by one call
    port, address = found.groups()
    return port == DNS_PORT or not LOOPBACK.match(address)
