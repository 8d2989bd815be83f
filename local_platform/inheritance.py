"""The part of this process's environment that a program of the local platform gets: what it needs to run, and no more.

Whatever else is set here stays here. A password in a DSN or a cloud's credentials are of no use to a database server.
Airflow's components are the exception. Their tasks are the user's own code, so they get the user's whole environment.
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
"""The variables that every program may get, each with the reason."""
ENGINE = ("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR")
"""The variables that Docker's client reads as well. They say which engine to ask, and how."""


def inherit(*more: str) -> dict[str, str]:
    """The needed variables of this process, and those named in `more`, as far as they are set."""
    return {name: os.environ[name] for name in (*NEEDED, *more) if name in os.environ}
