"""Airflow on one machine: its four components, each under a guard.

`airflow standalone` leaves its scheduler and workers behind when it is told to stop. So the components are started one
by one, without the log servers that one machine does not need. Each ends with its owner.
"""

import base64
import contextlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from cyclone.errors import PlatformError
from cyclone.places import REPOSITORY, SHIPPED_ROOT, find_shipped, is_checkout
from local_platform.processes import GuardedProcess
from local_platform.warm_airflow import MODULES

if TYPE_CHECKING:
    from psycopg2.extensions import connection

COMPONENTS = {
    "api-server": ("--workers", "1"),
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
}
"""Each component with its options, in the order of their start."""
_STOP_SECONDS = 20.0
"""The time that a component may take to end after SIGTERM. Then it is killed. The value is a choice."""
_TRIGGERER_STOP_SECONDS = 4.0
"""The triggerer may miss the end of its own child. It would then wait 10 s for nothing (seen in Airflow 3.3.2)."""
_MIGRATION_SECONDS = 300.0
"""The time that `airflow db migrate` may take. The value is a choice."""


@dataclass(frozen=True)
class AirflowPlace:
    """The place that the components share: folders, the metadata database, and the port of the API and the UI."""

    state_dir: Path
    dsn: str
    port: int
    dags_dir: Path = field(default_factory=lambda: find_shipped("dags"))
    plugins_dir: Path = field(default_factory=lambda: find_plugins())

    @property
    def home(self) -> Path:
        return self.state_dir / "airflow"

    @property
    def lineage_path(self) -> Path:
        """The file of OpenLineage's events. Each line is one event as JSON."""
        return self.state_dir / "openlineage.jsonl"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def find_plugins() -> Path:
    """The folder in which Airflow finds `cyclone_airflow`. A wheel has none, because it installs that as a package."""
    return SHIPPED_ROOT / "plugins"


def _find_own_path() -> str:
    """The folder that Python must search to import our packages. Empty where they are installed."""
    return str(REPOSITORY) if is_checkout() else ""


def airflow_environment(place: AirflowPlace) -> dict[str, str]:
    """Airflow's configuration as variables. The components, the tasks and the `airflow` command all need the same."""
    sections: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": place.dags_dir,
            "plugins_folder": place.plugins_dir,
            "load_examples": False,
            "executor": "LocalExecutor",
            "parallelism": 6,  # idle forks of the scheduler, 20 to 50 MB each
            "dags_are_paused_at_creation": False,
            "simple_auth_manager_all_admins": True,  # loopback only: the UI opens without a password
            "execution_api_server_url": f"{place.address}/execution/",
            "hostname_callable": "socket.gethostname",  # the default asks DNS, which may be slow or absent
            "mp_start_method": "fork",  # a task then starts in 10 ms, with what the scheduler has imported
        },
        "database": {"sql_alchemy_conn": place.dsn.replace("postgresql://", "postgresql+psycopg2://", 1)},
        "api": {
            "host": "127.0.0.1",
            "port": place.port,
            "workers": 1,
            "base_url": place.address,
            "enable_swagger_ui": False,  # its pages load their scripts and fonts from three other hosts
        },
        "cyclone": {"refuse_foreign_content": True},  # read in airflow_plugin.py
        "scheduler": {
            "scheduler_idle_sleep_time": 0.2,  # an idle loop costs 15 ms
            "orphaned_tasks_check_interval": 15,  # what a killed scheduler left is taken up within a minute
        },
        "workers": {
            # A worker may miss the end of its task and then sleeps this long (seen with Airflow 3.3.2: 5 s).
            "min_heartbeat_interval": 1,
            "max_failed_heartbeats": 30,
        },
        "dag_processor": {
            "parsing_processes": 1,
            "refresh_interval": 15,  # seconds until a new file is seen
            "min_file_process_interval": 60,  # for an unchanged file only: a changed one is parsed at once
        },
        "triggerer": {"capacity": 200},  # room for every check of every model that is due at once
        "openlineage": _keep_lineage_here(place),
        "logging": {
            "base_log_folder": place.home / "logs",
            "dag_processor_child_process_log_directory": place.home / "logs" / "dag_processor",
            "colored_console_log": False,
        },
    }
    variables = {
        f"AIRFLOW__{section}__{option}".upper(): str(value)
        for section, options in sections.items()
        for option, value in options.items()
    }
    return (
        variables
        | _read_secrets(place.home)
        | {
            "AIRFLOW_HOME": str(place.home),
            "AIRFLOW_CONFIG": str(place.home / "airflow.cfg"),
            "PYTHONPATH": os.pathsep.join(filter(None, [_find_own_path(), os.environ.get("PYTHONPATH", "")])),
        }
    )


def _keep_lineage_here(place: AirflowPlace) -> dict[str, object]:
    """The options of OpenLineage: events go to a file, unless the user's own variables name another transport.

    The monitor sends none, because it would fill the file every few minutes. Whole runs send none either, because the
    scheduler would keep a process of its own for them.
    """
    options: dict[str, object] = {
        "transport": json.dumps({"type": "file", "log_file_path": str(place.lineage_path), "append": True}),
        "namespace": "cyclone",
        "emission_policy": json.dumps(
            [
                {"scope": {}, "controls": {"emit_dag_events": False}},
                {"scope": {"dag_id": "monitor__.*"}, "match_mode": "regex", "controls": {"emit": False}},
            ]
        ),
        "execute_in_thread": True,  # a fork of each task costs more
    }
    return {name: os.environ.get(f"AIRFLOW__OPENLINEAGE__{name}".upper(), value) for name, value in options.items()}


def migrate_airflow(place: AirflowPlace, environment: Mapping[str, str]) -> bool:
    """Bring the metadata schema up to this Airflow's version. False when it was there already, which costs 10 ms.

    Errors: `PlatformError` with the end of the log.
    """
    import psycopg2
    from psycopg2 import sql

    wanted = f"schema of Airflow {version('apache-airflow-core')}"
    with contextlib.closing(psycopg2.connect(place.dsn)) as connection:
        if _read_comment(connection) == wanted:
            return False
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        log_path = place.state_dir / "logs" / "airflow-migrate.log"
        with GuardedProcess.start("airflow db migrate", command, environment, log_path) as process:
            code = process.wait(_MIGRATION_SECONDS)
        if code:
            raise PlatformError(f"airflow db migrate ended with code {code}:\n{process.read_log_end()}")
        with connection, connection.cursor() as cursor:
            database = sql.Identifier(connection.info.dbname)
            cursor.execute(sql.SQL("COMMENT ON DATABASE {} IS %s").format(database), (wanted,))
    return True


def _read_comment(connection: "connection") -> str | None:
    """The database's comment. `migrate_airflow` notes the schema there, so that the note goes with the database."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
        )
        row = cursor.fetchone()
    return row[0] if row else None


def start_component(place: AirflowPlace, environment: Mapping[str, str], name: str) -> GuardedProcess:
    """Start one of `COMPONENTS`, without waiting until it is ready."""
    return GuardedProcess.start(
        f"Airflow {name}",
        [
            sys.executable,
            "-m",
            "local_platform.warm_airflow" if name in MODULES else "airflow",
            name,
            *COMPONENTS[name],
        ],
        environment,
        place.state_dir / "logs" / f"airflow-{name}.log",
        grace_seconds=_TRIGGERER_STOP_SECONDS if name == "triggerer" else _STOP_SECONDS,
    )


def _read_secrets(home: Path) -> dict[str, str]:
    """The keys that sign sessions and task tokens and encrypt connections. They are drawn once, for this account."""
    drawn = {
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
    }
    keys: dict[str, str] = json.loads(keep_secret(home / "secrets.json", json.dumps(drawn)))
    return keys


def keep_secret(path: Path, drawn: str) -> str:
    """The text of a file that only this account can read. The text drawn now is written if there is no file yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=path.parent) as file:  # readable to us alone
            file.write(drawn)
            file.flush()
            # Parts of a platform start side by side. What the first has drawn is that of all.
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(file.name)
    return path.read_text()
