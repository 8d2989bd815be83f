"""A process that runs DAGs with `dag.test()`, on a real Airflow with a database of its own."""

import json
import os
import queue
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cyclone.store import Store

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 120
RUN_DAGS = """
import json, os, sys
from datetime import datetime
from airflow.dag_processing.dagbag import DagBag
for line in sys.stdin:
    request = json.loads(line)
    os.environ.update(request["environment"])
    bag = DagBag(request["file"])
    assert not bag.import_errors, bag.import_errors
    (dag,) = bag.dags.values()
    moment = {"logical_date": datetime.fromisoformat(request["moment"])} if request["moment"] else {}
    run = dag.test(use_executor=False, run_conf=request["conf"], **moment)
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    found = {"run": str(run.state), "run_id": run.run_id, "tasks": states, "schedule": repr(dag.schedule)}
    print("RESULT" + json.dumps(found), flush=True)
"""


@dataclass
class DagRunner:
    """A process that runs one DAG after the other with `dag.test()`: to load Airflow takes longest."""

    process: "subprocess.Popen[str]"
    folder: Path
    lines: "queue.Queue[str]" = field(default_factory=queue.Queue)

    def start(self, store: Store, source: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        """Run the one DAG in `source`. Nothing is waited for."""
        file = self.folder / f"dag_{len(list(self.folder.iterdir()))}.py"
        file.write_text(source)
        self._ask(file, {"CYCLONE_STORE_DSN": store.dsn, "CYCLONE_CLOCK": "wall", **environment})

    def run(
        self, name: str, environment: dict[str, str], moment: str = "", conf: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], str]:
        """Run the one DAG of `dags/<name>.py`: its result, and what it said."""
        file = Path(shutil.copy(REPOSITORY / "dags" / f"{name}.py", self.folder))
        self._ask(file, environment, moment, conf)
        return self.read_result()

    def read_xcoms(self, run_id: str, task: str) -> dict[str, Any]:
        """What a task of the run left in Airflow's database, its extra links included."""
        query = "SELECT key, value FROM xcom WHERE run_id = ? AND task_id = ?"
        with self._open_database() as database:
            return {key: json.loads(value) for key, value in database.execute(query, (run_id, task))}

    def read_run_states(self, run_id: str) -> list[str]:
        """The states of the DAG's run in Airflow's database. None when it has no such run."""
        with self._open_database() as database:
            return [state for (state,) in database.execute("SELECT state FROM dag_run WHERE run_id = ?", (run_id,))]

    def mark_failed(self, run_id: str) -> None:
        """As a person does on Airflow's page."""
        with self._open_database() as database:
            database.execute("UPDATE dag_run SET state = 'failed' WHERE run_id = ?", (run_id,))
            database.commit()

    def _open_database(self) -> "closing[sqlite3.Connection]":
        return closing(sqlite3.connect(self.folder.parent / "airflow.db"))

    def _ask(
        self, file: Path, environment: dict[str, str], moment: str = "", conf: dict[str, Any] | None = None
    ) -> None:
        assert self.process.stdin is not None
        request = {"file": str(file), "environment": environment, "moment": moment, "conf": conf}
        print(json.dumps(request), file=self.process.stdin, flush=True)

    def read_until(self, text: str) -> str:
        """What the process says up to and with the line that has `text`."""
        said = ""
        while text not in said:
            try:
                line = self.lines.get(timeout=DEADLINE_SECONDS)
            except queue.Empty:
                line = ""
            assert line, f"no {text!r} in:\n{said}"
            said += line
        return said

    def read_result(self) -> tuple[dict[str, Any], str]:
        said = self.read_until("RESULT")
        result: dict[str, Any] = json.loads(said.splitlines()[-1].removeprefix("RESULT"))
        return result, said


@contextmanager
def run_dag_runner(home: Path) -> Iterator[DagRunner]:
    """A runner whose Airflow lives in `home`."""
    (home / "dags").mkdir()
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")]),
    }
    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env=environment, check=True, capture_output=True)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_DAGS],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    runner = DagRunner(process, home / "dags")
    reader = threading.Thread(target=pass_on, args=(process, runner.lines))
    reader.start()
    yield runner
    process.kill()
    reader.join()
    process.communicate()


def pass_on(process: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> None:
    """Every line, and an empty one at the end."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put("")
