"""An API server of Airflow with a metadata database of its own, which no scheduler looks at."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.processes import GuardedProcess, free_port, wait_until_ready

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 180.0


@dataclass(frozen=True)
class ApiServer:
    """A running API server. `users` have their names for passwords."""

    address: str
    home: Path
    store: Store
    log: Path

    def list_runs(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            return database.execute("SELECT dag_id, run_id, state, triggering_user_name FROM dag_run").fetchall()

    def log_in(self, user: str) -> str:
        """The token of a user."""
        answer = requests.post(f"{self.address}/auth/token", json={"username": user, "password": user}, timeout=60)
        answer.raise_for_status()
        return str(answer.json()["access_token"])


@contextmanager
def start_api_server(
    home: Path, store: Store, variables: Mapping[str, str], users: Sequence[str] = ()
) -> Iterator[ApiServer]:
    """An API server on a store until the end. `users` are such as `ann:admin`. Without any, nobody is asked."""
    port = free_port(0)
    address = f"http://127.0.0.1:{port}"
    (home / "passwords.json").write_text(json.dumps({user.partition(":")[0]: user.partition(":")[0] for user in users}))
    who = (
        {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(users),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        }
        if users
        else {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}
    )
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")]),
        "CYCLONE_STORE_DSN": store.dsn,
        **who,
        **variables,
    }
    airflow = [sys.executable, "-m", "airflow"]
    for command in (["db", "migrate"], ["dags", "reserialize"]):
        subprocess.run([*airflow, *command], env=environment, check=True, capture_output=True)
    log = home / "api-server.log"
    command = [*airflow, "api-server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    with GuardedProcess.start("api-server", command, environment, log) as process:
        wait_until_ready(f"{address}/api/v2/version", START_SECONDS, process)
        yield ApiServer(address, home, store, log)


def put_models(folder: Path, *specs: ModelSpec) -> Path:
    """A folder of models, none of which can be trained."""
    for spec in specs:
        own = folder / spec.name
        own.mkdir(parents=True)
        (own / "model.yaml").write_text(yaml.safe_dump(json.loads(spec.model_dump_json(exclude_unset=True))))
        (own / "pipeline.py").write_text("def build_estimator(): ...\n")
    return folder
