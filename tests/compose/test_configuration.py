"""What `docker-compose.yaml`, its Dockerfile and `.dockerignore` promise, read without a container engine."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from cyclone.places import REPOSITORY
from local_platform.airflow import AirflowPlace, airflow_environment
from local_platform.compose.secret_files import ROLES
from tests.compose.compose_file import FILE, OURS, VARIABLE, fill_in, find_faults, list_variables, read_services

TEXT = FILE.read_text()
SERVICES = read_services(TEXT)
DOCKERFILE = (REPOSITORY / "docker" / "Dockerfile").read_text()
OF_ITS_PLACE = {
    "AIRFLOW_CONFIG",
    "AIRFLOW_HOME",
    "AIRFLOW__API__BASE_URL",
    "AIRFLOW__API__PORT",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__CORE__DAGS_FOLDER",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__CORE__PLUGINS_FOLDER",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
    "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY",
    "AIRFLOW__OPENLINEAGE__EMISSION_POLICY",
    "AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD",
    "AIRFLOW__OPENLINEAGE__NAMESPACE",
    "AIRFLOW__OPENLINEAGE__TRANSPORT",
    "PYTHONPATH",
}
"""The options of Airflow on a laptop that are others in the stack: places, secrets, who may log in, and lineage."""


def test_each_service_is_limited_unprivileged_pinned_and_asked_whether_it_is_ready() -> None:
    assert set(SERVICES) >= {
        *("postgres", "mlflow", "cloud-run", "api-server", "scheduler", "dag-processor", "triggerer"),
        *("secrets", "prepare", "grafana", "registry"),
    }
    assert find_faults(SERVICES) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ('user: "999:999"', 'user: "0:0"', "postgres: it runs as 0:0"),
        ('    user: "472:0" # the image\'s own\n', "", "grafana: it runs as root"),
        ("  read_only: true\n", "", "registry: its root can be written to"),
        ("  cap_drop: [ALL]\n", "", "postgres: it has capabilities"),
        ("no-new-privileges:true", "seccomp:unconfined", "mlflow: it may get new privileges"),
        ("grafana/grafana:13.2.3", "grafana/grafana:13", "grafana: image grafana/grafana:13 has no exact version"),
        ("postgres:18.4-bookworm", "postgres", "postgres: image postgres has no exact version"),
        ("    mem_limit: 6g\n", "", "scheduler: memory or processes have no limit"),
        ("  network_mode: host\n", "", "mlflow: it is published, or not in the network of the machine"),
        (
            "- --host=127.0.0.1",
            "- --host=0.0.0.0",
            "mlflow: --host=127.0.0.1 is missing, so it listens beyond loopback",
        ),
        (
            "listen_addresses=127.0.0.1",
            "jit=on",
            "postgres: listen_addresses=127.0.0.1 is missing, so it listens beyond loopback",
        ),
        ("PASSWORD_FILE: /run/cyclone/postgres/password", "PASSWORD: x", "postgres: POSTGRES_PASSWORD holds a secret"),
        ("//mlflow@127", "//mlflow:x@127", "mlflow: an address holds a password"),
        ("./grafana/dashboards", "/etc:/s\n      - ./x", "grafana: it may write to /etc of the machine"),
    ],
)
def test_a_service_that_is_not_so_is_found(before: str, after: str, fault: str) -> None:
    assert before in TEXT
    assert fault in find_faults(read_services(TEXT.replace(before, after)))


def test_a_part_without_a_check_is_found() -> None:
    services = {"mlflow": {name: value for name, value in SERVICES["mlflow"].items() if name != "healthcheck"}}
    assert find_faults(services) == ["mlflow: nothing says when it is ready"]


def test_postgres_asks_everybody_for_a_password() -> None:
    """Its image lets programs of the same machine in without one, and with one network all are of the same machine."""
    assert "--auth=scram-sha-256" in SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()


def test_a_secret_is_mounted_only_where_it_is_needed() -> None:
    mounted: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            if volume.startswith("secrets-"):
                mounted.setdefault(volume.partition(":")[0], set()).add(name)
    airflow = {"api-server", "scheduler", "dag-processor", "triggerer"}
    once = {"secrets", "prepare"}
    assert mounted == {
        "secrets-postgres": once | {"postgres"},
        "secrets-store": once | airflow | {"cloud-run"} | ({"replay"} & SERVICES.keys()),
        "secrets-mlflow": once | {"mlflow"},
        "secrets-airflow": once | airflow | ({"replay"} & SERVICES.keys()),
        "secrets-grafana": once | {"grafana"},
    }
    assert set(ROLES) == {"store", "mlflow", "airflow"}


def test_every_variable_is_documented_with_its_default() -> None:
    rows = (REPOSITORY / "docs" / "settings.md").read_text().splitlines()
    defaults = {found[1]: found[2] or "" for found in VARIABLE.finditer(TEXT)}
    assert len(defaults) >= 8
    for name, default in defaults.items():
        (row,) = [line for line in rows if line.startswith("|") and f"`{name}`" in line]
        assert default in row, f"docs/settings.md does not say that {name} is {default} by default"


def test_every_volume_is_declared_and_used() -> None:
    used = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert used == set(yaml.safe_load(fill_in(TEXT))["volumes"])


def test_airflow_has_the_options_of_a_laptop(tmp_path: Path) -> None:
    laptop = airflow_environment(AirflowPlace(tmp_path, "postgresql://airflow@127.0.0.1:5433/airflow", 8080))
    stack = dict(variable.split("=", 1) for variable in list_variables(SERVICES["scheduler"]))
    expected = {name: value for name, value in laptop.items() if name not in OF_ITS_PLACE}
    assert len(expected) > 10
    assert {name: stack.get(name) for name in expected} == expected


def test_one_image_is_built_and_no_other_is() -> None:
    built = [name for name, service in SERVICES.items() if "build" in service]
    assert built == ["secrets"]
    assert SERVICES["secrets"]["image"] == OURS
    foundation = SERVICES["secrets"]["build"]["args"]["FOUNDATION"]
    assert f"ARG FOUNDATION={foundation}\n" in DOCKERFILE
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", foundation)


def test_the_image_has_dependencies_before_code_and_ends_without_root() -> None:
    steps = re.findall(r"^(COPY|RUN|USER) (.*)", DOCKERFILE, re.MULTILINE)
    names = [name for name, _ in steps]
    code = steps.index(("COPY", ". ."))
    (dependencies,) = [index for index, (_, words) in enumerate(steps) if "requirements/cyclone.txt" in words]
    assert dependencies < code
    assert names[code:] == ["COPY", "RUN", "USER"]
    assert steps[-1] == ("USER", "50000:50000")
    assert "--require-hashes -r requirements/cyclone.txt" in DOCKERFILE


def test_make_check_compose_runs_the_stack() -> None:
    """It takes ten minutes and an engine, so CI does not: what CI runs are the other tests of this file."""
    command = ["make", "--dry-run", "check-compose", "LOOP=1"]
    said = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert "LOOP=1 .venv/bin/pytest tests/compose -m compose" in said


def test_only_what_an_image_needs_is_sent_to_the_engine() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    sent = {line[1:] for line in lines if line.startswith("!")}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    shipped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert sent == {path.partition("/")[0] for path in shipped} | {"models", "README.md", "LICENSE", "pyproject.toml"}
