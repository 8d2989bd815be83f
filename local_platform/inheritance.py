"""What a program that the local platform starts gets of this process's environment: what it needs to run, no more.

Whatever else is set here stays here: a password in a DSN or a cloud's credentials are of no use to a database server.
Airflow's components are the exception. Their tasks are the user's own code and get the user's whole environment.
"""

import os

NEEDED = {
    "PATH": "where the programs are that it calls",
    "LD_LIBRARY_PATH": "without it a Python that was built with a shared library may not find that",
    "HOME": "where it keeps its own settings",
    "TMPDIR": "where temporary files go on this machine",
    "LANG": "how text is encoded",
    "LC_ALL": "how text is encoded",
    "TZ": "what the times in its log mean",
}
"""The variables that every program may get, and why."""
ENGINE = ("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR")
"""What Docker's client reads besides: which engine to ask, and how."""


def inherit(*more: str) -> dict[str, str]:
    """The variables of this process that are needed, and `more` of them, as far as they are set."""
    return {name: os.environ[name] for name in (*NEEDED, *more) if name in os.environ}
