"""The built wheel, installed with its locked dependencies into an empty environment outside the checkout."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import psycopg2
import pytest

from cyclone.settings import Settings
from training.images.base import name_base

REPOSITORY = Path(__file__).resolve().parents[3]
UV = Path(sys.executable).with_name("uv")
MODEL_YAML = """
name: rainfall
task: regression
features:
  - {name: pressure, type: number}
label: {name: millimetres, type: number, expected_delay_hours: 24}
"""
OWN_DAG = """
from datetime import datetime
from airflow.sdk import DAG, BaseOperator
from cyclone_airflow.canary import CanaryTrigger
from cyclone_airflow.monitor_tasks import MonitorStepTrigger

class Wait(BaseOperator):
    def execute(self, context):
        self.defer(trigger=CanaryTrigger(model="rainfall", retraining="mine"), method_name="execute_complete")

with DAG("mine", schedule=None, start_date=datetime(2026, 1, 1)):
    Wait(task_id="wait", doc=MonitorStepTrigger.__name__)
"""
READ_DAGS = """
import sys
from airflow.dag_processing.dagbag import DagBag
from cyclone.places import find_shipped
import cyclone_airflow
for folder in (sys.argv[1], find_shipped("dags")):
    bag = DagBag(folder)
    print("FOUND", *sorted(bag.dags), *bag.import_errors.values())
print("FOUND", cyclone_airflow.__file__)
"""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and a folder outside the checkout to work in."""

    python: Path
    folder: Path

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment. Nothing of the tests' own environment points it to the checkout."""
        ours = ("CYCLONE_", "PYTHON", "AIRFLOW", "MLFLOW", "BENTOML", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        program = self.python.with_name(command[0])
        return subprocess.run(
            [program, *command[1:]], cwd=self.folder, env=kept | variables, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installed:
    root = tmp_path_factory.mktemp("installed")
    install: list[str | Path] = [UV, "pip", "install", "--quiet", "--python", root / "env"]
    locked: list[str | Path] = ["--require-hashes", "-r", REPOSITORY / "requirements" / "cyclone.txt"]
    commands: list[list[str | Path]] = [
        [UV, "venv", "--quiet", "--no-project", "--python", sys.executable, root / "env"],
        [*install, *locked],
        [*install, "--no-deps", wheel],
    ]
    for command in commands:
        subprocess.run(command, cwd=root, check=True)
    model = root / "work" / "models" / "rainfall"
    model.mkdir(parents=True)
    (model / "model.yaml").write_text(MODEL_YAML)
    (model / "pipeline.py").write_text("def build_estimator(): ...\n")
    return Installed(root / "env" / "bin" / "python", root / "work")


@pytest.fixture
def dsn(postgres_uri: str) -> Iterator[str]:
    """An empty database without a schema."""
    with closing(psycopg2.connect(postgres_uri)) as raw:
        raw.autocommit = True
        raw.cursor().execute("CREATE DATABASE of_the_wheel")
        yield postgres_uri.replace("/postgres?", "/of_the_wheel?")
        raw.cursor().execute("DROP DATABASE of_the_wheel WITH (FORCE)")


def test_every_file_of_our_packages_is_in_the_wheel(wheel: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    tracked = [Path(name) for name in listed.stdout.splitlines() if (REPOSITORY / name).is_file()]
    outside = {"tests", "benchmarks", "models", "grafana"}
    packages = {path.parent.as_posix() for path in tracked if path.name == "__init__.py"}
    packages = {name for name in packages if name.split("/")[0] not in outside}
    wanted = {path.as_posix() for path in tracked if any(path.is_relative_to(name) for name in packages)}
    wanted |= {f"cyclone/shipped/{path}" for path in tracked if path.parts[0] in ("sql", "dags")}
    missing = {name.removeprefix("plugins/") for name in wanted} - set(ZipFile(wheel).namelist())
    assert len(packages) > 4
    assert missing == set()


def test_migrate_makes_the_schema_and_then_finds_it_up_to_date(installed: Installed, dsn: str) -> None:
    names = sorted(path.stem for path in (REPOSITORY / "sql" / "migrations").glob("*.sql"))
    first = installed.run("cyclone", "migrate", CYCLONE_STORE_DSN=dsn, COLUMNS="10000")
    again = installed.run("cyclone", "migrate", CYCLONE_STORE_DSN=dsn)
    assert (first.returncode, first.stdout) == (0, f"applied: {', '.join(names)}\n"), first.stderr
    assert (again.returncode, again.stdout) == (0, "nothing to apply: the schema is up to date\n"), again.stderr


@pytest.mark.parametrize("part", ["sql", "sql/migrations"])
def test_a_folder_that_is_missing_is_named_and_never_up_to_date(installed: Installed, dsn: str, part: str) -> None:
    shipped = _find_shipped(installed)
    (shipped / part).rename(shipped / "gone")
    try:
        done = installed.run("cyclone", "migrate", CYCLONE_STORE_DSN=dsn)
    finally:
        (shipped / "gone").rename(shipped / part)
    assert (done.returncode, done.stdout) == (1, "")
    assert str(shipped / part) in done.stderr.replace("\n", "")


def test_models_are_those_of_the_working_directory(installed: Installed) -> None:
    done = installed.run("cyclone", "models")
    assert done.returncode == 0, done.stderr
    assert "rainfall" in done.stdout
    assert "bike_demand" not in done.stdout


def test_the_demo_says_that_its_model_comes_with_the_repository(installed: Installed) -> None:
    done = installed.run("cyclone", "demo")
    assert done.returncode == 1
    assert f"the demo's model bike_demand is not in {installed.folder}/models" in done.stderr.replace("\n", "")
    assert not (installed.folder / ".cyclone").exists()


def test_airflow_reads_our_dags_and_one_that_imports_the_triggers(installed: Installed, tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "mine.py").write_text(OWN_DAG)
    variables = {"AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = installed.run("python", "-c", READ_DAGS, str(dags), **variables)
    found = [line.removeprefix("FOUND ") for line in done.stdout.splitlines() if line.startswith("FOUND")]
    package = _find_shipped(installed).parents[1] / "cyclone_airflow" / "__init__.py"
    assert found == ["mine", "monitor__rainfall retrain__rainfall", str(package)], done.stderr


def test_an_image_from_the_wheel_holds_the_same_code_as_one_from_the_checkout(installed: Installed) -> None:
    command = "from cyclone.settings import Settings; from training.images.base import name_base as n"
    done = installed.run("python", "-c", f"{command}; print(n(Settings()))")
    assert done.stdout.strip() == name_base(Settings()), done.stderr


def _find_shipped(installed: Installed) -> Path:
    (shipped,) = installed.python.parents[1].glob("lib/python3*/site-packages/cyclone/shipped")
    return shipped
