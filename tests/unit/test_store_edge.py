"""The driver of Postgres is the store's own: everybody else asks `cyclone.store`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("cyclone", "training", "releasing", "plugins", "dags", "local_platform", "bento_service")
DRIVERS = {"psycopg2", "asyncpg"}
REACHES = {"connection", "cursor", "copy_expert", "copy_from", "copy_to", "execute_values", "mogrify"}
"""Attributes of the driver's connections and cursors."""
ALLOWED = (
    "cyclone/store.py",
    "cyclone/store_faults.py",  # tells the driver's errors apart
    "local_platform/postgres.py",  # makes and stops the server and its databases
    "local_platform/compose/databases.py",  # makes the databases of the stack and their owners
    "local_platform/airflow.py",  # the metadata database is Airflow's, not the store
    "bento_service/log/log_writer.py",  # the connection of the prediction log is kept and has time limits of its own
    "bento_service/log/",
)


def find_reaches(text: str) -> list[str]:
    """What a module's text takes from the driver, each with its line."""
    return [f"line {line}: {name}" for line, name in _list_reaches(ast.parse(text))]


def _list_reaches(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, item.name) for item in node.names if item.name.split(".")[0] in DRIVERS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in DRIVERS:
            yield node.lineno, str(node.module)
        elif isinstance(node, ast.Attribute) and node.attr in REACHES:
            yield node.lineno, f".{node.attr}"


def test_only_the_store_reaches_for_the_driver() -> None:
    paths = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]
    names = {path.relative_to(REPOSITORY).as_posix(): path for path in paths}
    reaches = {name: find_reaches(path.read_text()) for name, path in names.items() if not name.startswith(ALLOWED)}
    assert {name: found for name, found in reaches.items() if found} == {}


def test_what_is_of_the_driver_is_found() -> None:
    planted = "import psycopg2.errors\nfrom asyncpg import connect\nstore.connection.cursor()\n"
    assert find_reaches(planted) == [
        "line 1: psycopg2.errors",
        "line 2: asyncpg",
        "line 3: .cursor",
        "line 3: .connection",
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import psycopg2.extras", "line 1: psycopg2.extras"),
        ("from psycopg2.extensions import AsIs", "line 1: psycopg2.extensions"),
        ("def f(t): t.connection", "line 1: .connection"),
        ("cursor.copy_expert(text, file)", "line 1: .copy_expert"),
    ],
)
def test_the_rule_sees_an_import_and_a_reach(line: str, found: str) -> None:
    assert find_reaches(line) == [found]
    assert find_reaches("from cyclone.store import Store\nStore('x').fetch('log/count')") == []
