"""A small client of Airflow's REST API."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

import requests

from cyclone.errors import PlatformError

_HEARTBEATS = ("scheduler", "dag_processor", "triggerer")
FINAL_STATES = ("success", "failed")
"""The states of a run that has ended."""
_POLL_SECONDS = 0.1
"""The pause between two looks at a DAG's run. The value is a choice."""
_REQUEST_SECONDS = 30.0
"""The time that Airflow may take to answer. The value is a choice."""
_WARM_UP_SECONDS = 120.0
"""The time that the first request to the execution API may take, which makes Airflow load it. The value is a choice."""


class AirflowClient:
    """A client for the REST API of an Airflow. One that asks for a password wants `log_in` first."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._api = self._address + "/api/v2"
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy has no business on loopback

    def log_in(self, user: str, password: str) -> Self:
        """Be this user from now on, for a day. Errors: `PlatformError` when Airflow refuses."""
        body = {"username": user, "password": password}
        answer = self._decode(self._session.post(f"{self._address}/auth/token", json=body, timeout=_REQUEST_SECONDS))
        self._session.headers["Authorization"] = f"Bearer {answer['access_token']}"
        return self

    def list_silent_components(self, since: datetime) -> list[str]:
        """The components without a heartbeat after `since`. While the API does not answer, all of them."""
        try:
            health = self._get("/monitor/health")
        except (requests.RequestException, PlatformError):
            return list(_HEARTBEATS)
        heartbeats = {name: (health.get(name) or {}).get(f"latest_{name}_heartbeat") for name in _HEARTBEATS}
        return [name for name, at in heartbeats.items() if not at or datetime.fromisoformat(at) < since]

    def warm_up(self) -> None:
        """Have the tasks' own API built now. It would take seconds at the first task's request."""
        self._session.get(self._address + "/execution/health", timeout=_WARM_UP_SECONDS).raise_for_status()

    def trigger_dag_run(
        self,
        dag_id: str,
        run_id: str | None = None,
        conf: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Start a run, and return it as the API describes it. If a run has this id already, return that one."""
        response = self._session.post(
            f"{self._api}/dags/{dag_id}/dagRuns",
            json={"logical_date": None, "dag_run_id": run_id, "conf": dict(conf or {})},
            timeout=_REQUEST_SECONDS,
        )
        if response.status_code == requests.codes.conflict and run_id:
            return self.get_dag_run(dag_id, run_id)
        return self._decode(response)

    def get_dag_run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """The run as the API describes it. Errors: `PlatformError` when there is none."""
        return self._get(f"/dags/{dag_id}/dagRuns/{run_id}")

    def find_dag_run(self, dag_id: str, run_id: str) -> dict[str, Any] | None:
        """The run as the API describes it. None when there is none."""
        response = self._session.get(f"{self._api}/dags/{dag_id}/dagRuns/{run_id}", timeout=_REQUEST_SECONDS)
        return None if response.status_code == requests.codes.not_found else self._decode(response)

    def list_task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The tasks of a run, each with `task_id`, `state` and `duration`."""
        return self._list(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances")

    def wait_for_dag_run(self, dag_id: str, run_id: str, deadline_seconds: float) -> dict[str, Any]:
        """The run once its state is `success` or `failed`. Errors: `PlatformError` when that takes longer."""
        deadline = time.monotonic() + deadline_seconds
        while True:
            run = self.get_dag_run(dag_id, run_id)
            if run["state"] in FINAL_STATES:
                return run
            if time.monotonic() > deadline:
                raise PlatformError(f"run {run_id} of {dag_id} is {run['state']} after {deadline_seconds:g} s")
            time.sleep(_POLL_SECONDS)

    def list_import_errors(self) -> list[dict[str, Any]]:
        """The DAG files that cannot be imported, each with `filename` and `stack_trace`."""
        return self._list("/importErrors", "import_errors")

    def wait_until_dag_known(self, dag_id: str, deadline_seconds: float) -> dict[str, Any]:
        """The DAG once its file is parsed. Errors: `PlatformError` that names the files which cannot be imported."""
        deadline = time.monotonic() + deadline_seconds
        is_asked = False
        while True:
            response = self._session.get(f"{self._api}/dags/{dag_id}", timeout=_REQUEST_SECONDS)
            if response.status_code != requests.codes.not_found:
                dag = self._decode(response)
                if not dag["is_stale"]:
                    return dag
            if time.monotonic() > deadline:
                broken = "\n".join(f"{e['filename']}: {e['stack_trace']}" for e in self.list_import_errors())
                raise PlatformError(f"DAG {dag_id} is unknown after {deadline_seconds:g} s. {broken}".strip())
            is_asked = is_asked or self._ask_for_parsing(dag_id)
            time.sleep(_POLL_SECONDS)

    def _ask_for_parsing(self, dag_id: str) -> bool:
        """Have the file parsed now that made the DAGs of the same kind. False when there are none yet.

        An unchanged file is parsed once a minute. Its new DAG is that of a model whose folder is new.
        """
        kind = dag_id.split("__")[0]
        for dag in self._list("/dags", "dags"):
            if dag["dag_id"].startswith(f"{kind}__"):
                path = f"{self._api}/parseDagFile/{dag['file_token']}"
                return self._session.put(path, timeout=_REQUEST_SECONDS).ok
        return False

    def _get(self, path: str, **parameters: Any) -> dict[str, Any]:
        response = self._session.get(self._api + path, params=parameters, timeout=_REQUEST_SECONDS)
        return self._decode(response)

    def _list(self, path: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        """All pages of a collection."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self._get(path, limit=100, offset=len(rows), **parameters)
            rows += page[key]
            if not page[key] or len(rows) >= page["total_entries"]:
                return rows

    @staticmethod
    def _decode(response: requests.Response) -> dict[str, Any]:
        if not response.ok:
            request = f"{response.request.method} {response.url}"
            raise PlatformError(f"Airflow answered {response.status_code} to {request}: {response.text}")
        decoded: dict[str, Any] = response.json()
        return decoded
