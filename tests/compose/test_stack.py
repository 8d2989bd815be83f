"""The stack as a team would run it, in a real engine, from the first start to a monitored model."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import requests

from cyclone.places import REPOSITORY
from cyclone.settings import Settings
from local_platform.airflow_client import AirflowClient
from releasing.cloud_run import CloudRun
from tests.compose.compose_file import FILE, read_services
from tests.compose.stack import NOT_STARTED, ONCE, Stack
from tests.support.serving import ROW, wait_until

pytestmark = pytest.mark.compose
MODEL, SERVICE = "bike_demand", "bike-demand"
RUN_ID = "first_release"
DAG_SECONDS, RELEASE_SECONDS, JUDGED_SECONDS = 300, 1200, 300
"""How long each may take on two busy cores."""


def log_in(stack: Stack) -> AirflowClient:
    """Airflow's API as the person who logs in with the drawn password."""
    password = json.loads(stack.read_file("/run/cyclone/airflow/logins.json"))["admin"]
    return AirflowClient(stack.address("AIRFLOW")).log_in("admin", password)


def read_state(airflow: AirflowClient) -> str:
    """The state of the retraining. It is unknown while Airflow is too busy to say."""
    try:
        return str(airflow.get_dag_run(f"retrain__{MODEL}", RUN_ID)["state"])
    except requests.Timeout:
        return "unknown"


def find_address(stack: Stack) -> str:
    """Where the model's service answers."""
    service = CloudRun(Settings(cloud_run_endpoint=stack.address("CLOUD_RUN"))).read_service(SERVICE)
    assert service is not None
    return service.address


def ask(stack: Stack, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with stack.store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def list_pids(container: dict[str, Any]) -> list[int]:
    """The processes of a container, by the numbers that this machine gives them."""
    shown = subprocess.run(
        ["docker", "top", container["Id"], "-eo", "pid"], capture_output=True, text=True, check=True
    ).stdout
    return [int(word) for word in shown.split()[1:]]


def test_the_file_is_one_that_compose_takes(stack: Stack) -> None:
    names = set(stack.compose("config", "--services").split())
    assert names - NOT_STARTED == set(read_services(FILE.read_text())) - NOT_STARTED
    assert stack.run_compose("--file", str(REPOSITORY / "Makefile"), "config").returncode != 0


def test_every_part_is_ready_and_has_no_rights(stack: Stack) -> None:
    containers = stack.inspect()
    assert set(containers) == set(read_services(FILE.read_text())) - NOT_STARTED
    for name, container in containers.items():
        if name in ONCE:
            assert (container["State"]["Status"], container["State"]["ExitCode"]) == ("exited", 0), name
            continue
        assert container["State"]["Health"]["Status"] == "healthy", name
        for pid in list_pids(container):
            status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            assert "0" not in status["Uid"].split(), name
            assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0, name
            assert status["NoNewPrivs"] == "1", name


def test_nothing_listens_beyond_loopback(stack: Stack) -> None:
    listening = {
        (name, connection.laddr.ip)
        for name, container in stack.inspect().items()
        if name not in ONCE
        for pid in list_pids(container)
        for connection in psutil.Process(pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert {name for name, _ in listening} >= {"postgres", "mlflow", "cloud-run", "api-server"}
    assert {address for _, address in listening} == {"127.0.0.1"}


def test_who_has_no_password_gets_in_nowhere(stack: Stack) -> None:
    dsn = stack.dsn("store", "cyclone")
    with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
        psycopg2.connect(dsn.partition("?")[0])
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(dsn.replace("/cyclone?", "/airflow?"))
    answer = requests.get(f"{stack.address('AIRFLOW')}/api/v2/dags", timeout=30)
    assert answer.status_code == 401


def test_no_secret_is_in_an_environment_a_command_or_a_log(stack: Stack) -> None:
    secrets = {
        line.rpartition(":")[2]
        for path in (
            "store/pgpass",
            "airflow/pgpass",
            "airflow/fernet-key",
            "airflow/jwt-secret",
            "airflow/webhook-secret",
        )
        for line in stack.read_file(f"/run/cyclone/{path}").split()
    }
    assert len(secrets) == 5
    shown = str(stack.inspect()) + stack.compose("logs", "--no-color")
    assert "CYCLONE_STORE_DSN" in shown
    assert [secret for secret in secrets if secret in shown] == []


def test_a_first_version_serves_logs_and_is_judged(stack: Stack) -> None:
    if os.environ.get("LOOP"):
        pytest.skip("the replay releases it")
    airflow = log_in(stack)
    for kind in ("monitor", "retrain"):
        airflow.wait_until_dag_known(f"{kind}__{MODEL}", DAG_SECONDS)
    airflow.trigger_dag_run(f"retrain__{MODEL}", RUN_ID)
    wait_until(lambda: read_state(airflow) in ("success", "failed"), "the retraining has ended", RELEASE_SECONDS)
    assert read_state(airflow) == "success"
    answer = requests.post(f"{find_address(stack)}/predict", json={"rows": [ROW, ROW]}, timeout=60).json()
    ids = [each["id"] for each in answer["predictions"]]
    wait_until(
        lambda: ask(stack, "SELECT count(*) FROM prediction_log WHERE id = ANY(%s)", ids) == [(2,)],
        "both rows are in the log",
    )
    judged = "SELECT count(*) > 0 FROM check_result WHERE model = %s AND version = 1"
    wait_until(lambda: ask(stack, judged, MODEL) == [(True,)], "a run of the monitor has judged it", JUDGED_SECONDS)


def test_up_again_changes_nothing_and_down_keeps_the_data(stack: Stack) -> None:
    """And a service is at the address that it had."""
    before, logins = stack.inspect(), stack.read_file("/run/cyclone/airflow/logins.json")
    counted = ask(stack, "SELECT count(*) FROM prediction_log")
    address = find_address(stack)
    stack.up()
    after = stack.inspect()
    assert {name: each["Id"] for name, each in after.items()} == {name: each["Id"] for name, each in before.items()}
    lasting = before.keys() - ONCE
    assert {name: after[name]["State"]["StartedAt"] for name in lasting} == {
        name: before[name]["State"]["StartedAt"] for name in lasting
    }
    stack.compose("down")
    stack.up()
    assert stack.read_file("/run/cyclone/airflow/logins.json") == logins
    assert ask(stack, "SELECT count(*) FROM prediction_log") == counted
    assert find_address(stack) == address
    wait_until(
        lambda: requests.post(f"{address}/predict", json={"rows": [ROW]}, timeout=60).status_code == 200,
        "it answers again",
    )


def test_changed_code_makes_only_the_last_layers_anew(engine: None, tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (REPOSITORY / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, tmp_path / name)
    before = build(tmp_path)
    with (tmp_path / "cyclone" / "__init__.py").open("a") as file:
        file.write("# changed\n")
    after = build(tmp_path)
    assert after[:-2] == before[:-2]  # the last copies the code and compiles it
    assert set(after[-2:]).isdisjoint(before[-2:])


def build(folder: Path) -> list[str]:
    """Build the image of a checkout, and list its layers."""
    own = os.environ.get("CYCLONE_IMAGE_FOUNDATION")
    foundation = ["--build-arg", f"FOUNDATION={own}"] if own else []
    command = [
        "docker",
        "build",
        "--network",
        "host",
        *foundation,
        "--file",
        "docker/Dockerfile",
        "--tag",
        "cyclone:check",
    ]
    subprocess.run([*command, "."], cwd=folder, capture_output=True, check=True)
    template = "{{range .RootFS.Layers}}{{.}} {{end}}"
    shown = subprocess.run(
        ["docker", "inspect", "--format", template, "cyclone:check"], capture_output=True, text=True, check=True
    )
    return shown.stdout.split()
