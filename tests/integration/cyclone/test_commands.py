"""Commands that no other test gives as a person does: targets of the Makefile, and what `cyclone` says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cyclone.places import REPOSITORY
from cyclone.store import Store

BIN = Path(sys.executable).parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without code, with this one's Makefile and environment: what a target does to it is undone."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy2(REPOSITORY / name, tmp_path)
    shutil.copytree(REPOSITORY / "requirements", tmp_path / "requirements")
    (tmp_path / ".venv").symlink_to(BIN.parent)
    return tmp_path


def make(folder: Path, *arguments: str) -> str:
    """What a target says on standard output."""
    return run(["make", "--silent", *arguments], folder, {})


def cyclone(environment: dict[str, str], *arguments: str) -> str:
    """What a command says on standard output."""
    return run([str(BIN / "cyclone"), *arguments], REPOSITORY, {"COLUMNS": "200", **environment})


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_make_format_mends_python_and_sql(checkout: Path) -> None:
    (checkout / "sql").mkdir()
    (checkout / "sql" / "one.sql").write_text("select 1   as one\n")
    (checkout / "one.py").write_text("import os\nONE = { 'one' :1}\n")
    make(checkout, "format")
    assert (checkout / "one.py").read_text() == 'ONE = {"one": 1}\n'
    assert (checkout / "sql" / "one.sql").read_text() == "SELECT 1 AS one\n"


def test_make_clean_removes_what_was_made(checkout: Path) -> None:
    (checkout / ".cyclone" / "postgres").mkdir(parents=True)
    (checkout / ".mypy_cache").mkdir()
    make(checkout, "clean")
    assert {path.name for path in checkout.iterdir()} == {"Makefile", "pyproject.toml", "requirements"}
    assert BIN.is_dir()


@pytest.mark.parametrize("target", ["audit", "lock"])
def test_a_target_that_needs_the_network_is_given_files_and_options_that_are_there(target: str) -> None:
    """`make audit` asks PyPI's advisory database and `make lock` its index, so neither is run: only parsed."""
    said = run(["make", "--dry-run", target], REPOSITORY, {}).replace("\\\n", " ")
    files = re.findall(r"(?:requirements/|pyproject)[\w./-]+", said)
    assert [name for name in files if not (REPOSITORY / name).is_file()] == []
    commands = re.findall(r"uv pip compile(.*)", said)
    known = run([str(BIN / "uv"), "pip", "compile", "--help"], REPOSITORY, {})
    unknown = {option for options in commands for option in re.findall(r"--[a-z-]+", options) if option not in known}
    assert unknown == set()
    assert len(commands) == said.count("uv pip compile") == {"audit": 0, "lock": 8}[target]


def test_models_are_listed(tmp_path: Path) -> None:
    assert "bike_demand │ regression" in cyclone({"CYCLONE_MODELS_DIR": str(REPOSITORY / "models")}, "models")


def test_a_model_is_begun_from_a_file_and_found_without_fault(tmp_path: Path) -> None:
    history = REPOSITORY / "models" / "bike_demand" / "data" / "bikeshare_2011.csv"
    rows = tmp_path / "rides.csv"
    rows.write_text("".join(history.read_text().splitlines(keepends=True)[:1200]))
    environment = {"CYCLONE_MODELS_DIR": str(tmp_path / "models")}
    cyclone(environment, "init", "rides", "--from", str(rows), "--label", "bikers", "--time", "created_at")
    assert {"model.yaml", "pipeline.py"} <= {path.name for path in (tmp_path / "models" / "rides").iterdir()}
    assert "rides" in cyclone(environment, "check", "rides")
    assert "rides │ regression" in cyclone(environment, "models")


def test_a_store_is_migrated_and_asked_what_happened(postgres_uri: str, store: Store) -> None:
    environment = {"CYCLONE_STORE_DSN": store.dsn}
    assert cyclone(environment, "migrate") == "nothing to apply: the schema is up to date\n"
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO incident (model, opened_at, reason) VALUES ('bike_demand', '2011-02-20', 'the error rose')"
        )
    assert "2011-02-20 00:00 │ incident opened │ 1      │ the error rose" in cyclone(
        environment, "timeline", "bike_demand"
    )


def test_keys_are_added_listed_and_revoked(tmp_path: Path) -> None:
    environment = {"CYCLONE_API_KEYS_FILE": str(tmp_path / "keys.json")}
    assert len(cyclone(environment, "keys", "add", "gateway", "--scope", "predict").strip()) > 32
    assert "gateway │ predict │" in cyclone(environment, "keys", "list")
    assert cyclone(environment, "keys", "revoke", "gateway") == "revoked: gateway\n"
    assert "gateway" not in cyclone(environment, "keys", "list")


def test_a_policy_is_tried_on_two_weeks(tmp_path: Path) -> None:
    policy = tmp_path / "other.yaml"
    policy.write_text("retrain: {error: {limit: 1.3}, cooldown_days: 7}\nrecalibrate: {every_days: 7}\n")
    picture = tmp_path / "backtest.png"
    options = ["--policy", str(policy), "--to", "2011-02-15", "--worlds", "0", "--picture", str(picture)]
    said = cyclone({}, "backtest", "bike_demand", *options)
    assert "bike_demand, 2011-02-01 to 2011-02-14" in said
    assert "(error.limit 1.3)" in said
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_context_of_a_base_image_is_written(tmp_path: Path) -> None:
    environment = {
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "CYCLONE_IMAGE_REPOSITORY": "localhost:5000/cyclone",
        "CYCLONE_WORK_DIR": str(tmp_path / "work"),
    }
    (tmp_path / "bentoml").mkdir()
    command = [sys.executable, "-m", "training.images.base", "--context", str(tmp_path / "context")]
    said = run(command, REPOSITORY, environment)
    assert re.fullmatch(r"localhost:5000/cyclone/base:[0-9a-f]{16}\n", said)
    assert {"Dockerfile", "src", "env"} <= {path.name for path in (tmp_path / "context").iterdir()}
