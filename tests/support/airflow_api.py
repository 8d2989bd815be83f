"""A small Airflow for tests of its clients: real HTTP, runs and tasks in memory, and a record of what was asked."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class AirflowApi:
    """What the server knows. Runs are kept by DAG and run id. `on_trigger` is called with each new run."""

    address: str = ""
    dags: set[str] = field(default_factory=set)
    runs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    parsed: list[str] = field(default_factory=list)
    state: str = "success"
    """The state that a new run has at once."""
    on_trigger: Callable[[dict[str, Any]], None] = lambda run: None

    def trigger(self, dag_id: str, body: dict[str, Any]) -> tuple[int, Any]:
        key = dag_id, body["dag_run_id"]
        if key in self.runs:
            return 409, {"detail": "the run is there"}
        self.runs[key] = run = {"dag_run_id": key[1], "state": self.state, **body}
        self.on_trigger(run)
        return 200, run

    def answer(self, method: str, path: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        """The answer to a request for a path below `/api/v2`."""
        match [method, *path]:
            case ["POST", "dags", dag_id, "dagRuns"]:
                return self.trigger(dag_id, body)
            case ["GET", "dags", dag_id, "dagRuns", run_id, "taskInstances"]:
                return 200, {"task_instances": self.tasks, "total_entries": len(self.tasks)}
            case ["GET", "dags", dag_id, "dagRuns", run_id]:
                run = self.runs.get((dag_id, run_id))
                return (200, run) if run else (404, {"detail": "no such run"})
            case ["GET", "dags"]:
                dags = [{"dag_id": dag_id, "file_token": f"file-of-{dag_id}"} for dag_id in sorted(self.dags)]
                return 200, {"dags": dags, "total_entries": len(dags)}
            case ["GET", "dags", dag_id]:
                return (200, {"is_stale": False}) if dag_id in self.dags else (404, {"detail": "no such DAG"})
            case ["GET", "importErrors"]:
                return 200, {"import_errors": [], "total_entries": 0}
            case ["PUT", "parseDagFile", token]:
                self.parsed.append(token)
                return 201, None
        return 404, {"detail": f"{method} {path}"}


@contextmanager
def run_airflow_api() -> Iterator[AirflowApi]:
    """The server, as long as the block lasts."""
    api = AirflowApi()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or "{}")
            path = self.path.partition("?")[0].removeprefix("/api/v2/").split("/")
            status, answered = api.answer(self.command, path, body)
            content = json.dumps(answered).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 (the names that http.server looks for)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
