"""Programs that end with whoever started them, free ports, and waiting until a program answers."""

import atexit
import contextlib
import http.client
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self
from urllib.parse import urlsplit

import psutil

from cyclone.errors import PlatformError
from local_platform import guard

_GUARD_MARGIN_SECONDS = 10.0  # after the grace, for killing what is left
# The time that a probe may take, and the pause until the next. The values are choices.
_PROBE_SECONDS = 2.0
_PROBE_PAUSE_SECONDS = 0.05
# The last lines of a log that an error quotes. They fit on a screen.
_QUOTED_LOG_LINES = 20
# Below 32768, where Linux begins to give ports to outgoing connections. Such a connection could take a port before its
# owner listens on it, or while its owner restarts.
PORTS = range(10000, 32768)
# The ports that are tried. The value is a choice: so many taken ports mean that something else is wrong.
PORT_ATTEMPTS = 100
_RESERVED_SECONDS = 60.0
"""How long a port stays reserved for who was given it. Whatever listens there has begun by then, even under load."""
_reserved: dict[int, tuple[float, socket.socket]] = {}
"""The ports that this process was given, with the time of the reservation's end and what holds it."""


class GuardedProcess:
    """A program under a guard. It and its descendants end when this object's pipe closes, however that happens.

    Only a fork without an exec, as `multiprocessing` may do, hands the pipe on and delays the end.
    """

    def __init__(self, name: str, guarding: "subprocess.Popen[bytes]", log_path: Path, grace_seconds: float):
        self.name = name
        self.log_path = log_path
        self._guard = guarding
        self._grace_seconds = grace_seconds

    @classmethod
    def start(
        cls,
        name: str,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None,
        log_path: Path,
        stop_signal: Literal["INT", "TERM"] = "TERM",
        grace_seconds: float = 10,
        cwd: Path | None = None,
        memory_bytes: int = 0,
        memory_folder: Path | None = None,
    ) -> Self:
        """Start `argv` with its output appended to `log_path`. With `env` None it inherits this process's variables.

        A program that takes more than `memory_bytes` is killed. 0 is no limit. Only Linux has limits.
        The files in `memory_folder` count as memory, as those of an instance on Cloud Run do.
        """
        log_path.parent.mkdir(parents=True, exist_ok=True)
        options = ["--stop-signal", stop_signal, "--grace", str(grace_seconds), "--memory", str(memory_bytes)]
        options += ["--memory-folder", str(memory_folder)] if memory_folder else []
        command = [sys.executable, "-I", "-S", guard.__file__, *options, "--", *map(str, argv)]
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        return cls(name, process, log_path, grace_seconds)

    @property
    def pid(self) -> int:
        """The guard's process id. SIGTERM to it stops the program in order."""
        return self._guard.pid

    @property
    def program_pid(self) -> int | None:
        """The program's own process id. None before it is started and after its end."""
        try:
            children = psutil.Process(self._guard.pid).children()
        except psutil.NoSuchProcess:
            return None
        # The guard also adopts orphans. They are younger than the program that started them.
        oldest = min(children, key=lambda child: child.create_time(), default=None)
        return oldest.pid if oldest else None

    @property
    def is_running(self) -> bool:
        """Whether the program or anything that it started still runs."""
        return self.poll() is None

    def poll(self) -> int | None:
        """The exit code, or 128 + n after signal n. None while the program runs."""
        return self._guard.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code. Errors: `subprocess.TimeoutExpired` after `timeout` seconds."""
        return self._guard.wait(timeout)

    def begin_stop(self) -> None:
        """Ask for the end without waiting for it. It may be called again."""
        if self._guard.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.close()

    def stop(self) -> int:
        """Stop the program and return its exit code: stop signal, grace, kill. It may be called again."""
        self.begin_stop()
        return self._guard.wait(self._grace_seconds + _GUARD_MARGIN_SECONDS)

    def read_log_end(self, lines: int = _QUOTED_LOG_LINES) -> str:
        """The last lines of the log."""
        with self.log_path.open("rb") as log:
            return _read_end(log, lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def reserve_port(port: int) -> socket.socket | None:
    """Reserve a port of 127.0.0.1 among all who ask here, in any process. None if it is reserved or in use.

    The reservation ends when what is returned is closed, or with the process. Between the choice of a port and the
    first listening on it nothing else keeps others away.
    """
    claim = socket.socket(socket.AF_UNIX)
    try:
        if sys.platform == "linux":  # only here does the name of a socket end with its process
            claim.bind(f"\0cyclone-port-{port}")
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            candidate.bind(("127.0.0.1", port))
    except OSError:
        claim.close()
        return None
    return claim


@atexit.register
def _end_reservations() -> None:
    for _, claim in _reserved.values():
        claim.close()


def free_port(preferred: int) -> int:
    """`preferred` when it can be bound on 127.0.0.1, else another port that can. A `preferred` of 0 means any.

    The port is reserved for a minute, so that two who ask at the same time do not get the same one.
    Errors: `PlatformError` when none can be bound.
    """
    now = time.monotonic()
    for port, (until, claim) in list(_reserved.items()):
        if until < now or port == preferred:
            claim.close()
            del _reserved[port]
    for port in (preferred, *random.sample(PORTS, PORT_ATTEMPTS)):
        reserved = reserve_port(port) if port else None
        if reserved is not None:
            _reserved[port] = now + _RESERVED_SECONDS, reserved
            return port
    raise PlatformError(
        f"neither port {preferred} nor {PORT_ATTEMPTS} others between {PORTS.start} and {PORTS.stop - 1} can be bound."
        " Stop a program that holds many ports"
    )


def wait_until_ready(url: str, deadline_seconds: float, process: GuardedProcess) -> None:
    """Return once GET `url` answers 2xx or 3xx. Errors: `PlatformError` when the process ends or time is up.

    An answer of another process, which took the port meanwhile, does not count. The own process then cannot get the
    port, and says so when it ends.
    """
    deadline = time.monotonic() + deadline_seconds
    seen = "no answer"
    while process.is_running:
        if time.monotonic() > deadline:
            problem = f"is not ready after {deadline_seconds:g} s: {url} gave {seen}"
            break
        seen = _probe(url)
        if seen.startswith(("2", "3")):
            if _listens(process, urlsplit(url).port):
                return
            seen += " from another process"
        time.sleep(_PROBE_PAUSE_SECONDS)
    else:
        problem = f"ended with code {process.poll()} before {url} answered"
    raise PlatformError(f"{process.name} {problem}. The end of {process.log_path}:\n{process.read_log_end()}")


def _probe(url: str) -> str:
    """The status of GET `url`, or what went wrong. Proxy settings of the environment do not apply."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PROBE_SECONDS)
    with contextlib.closing(connection):
        try:
            connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
            return str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__


def _listens(process: GuardedProcess, port: int | None) -> bool:
    """Whether the port is held by the program or one of its descendants."""
    try:
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for descendant in psutil.Process(process.pid).children(recursive=True)
            for connection in descendant.net_connections()
        )
    except psutil.NoSuchProcess:
        return False


def _read_end(log: IO[bytes], lines: int) -> str:
    log.seek(max(0, log.seek(0, os.SEEK_END) - 400 * lines))
    return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
