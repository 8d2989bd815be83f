"""Statements in `sql/` and the code that names them."""

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SQL = REPOSITORY / "sql"
CODE = ("cyclone", "bento_service", "training", "releasing", "local_platform", "plugins", "dags", "benchmarks", "tests")
FOUND_BY_FOLDER = ("checks", "migrations", "views")
"""Folders that are read whole, so that no code names their files."""
FOLDERS = sorted({path.parent.name for path in SQL.glob("*/*.sql")} - set(FOUND_BY_FOLDER))


def test_every_statement_that_code_names_has_a_file() -> None:
    missing = [f"{path}: {name}" for path, name in named_statements() if not (SQL / f"{name}.sql").is_file()]
    assert missing == ["tests/integration/cyclone/test_store.py: log/no_such_statement"] * 2


def test_every_statement_is_named_by_code() -> None:
    statements = {f"{path.parent.name}/{path.stem}" for folder in FOLDERS for path in (SQL / folder).glob("*.sql")}
    assert sorted(statements - {name for path, name in named_statements() if not path.startswith("tests")}) == []


def named_statements() -> Iterator[tuple[str, str]]:
    """Each text in code that reads `<folder of sql>/<name>`, with the file that it stands in."""
    for package in CODE:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    folder, _, name = node.value.partition("/")
                    if folder in FOLDERS and name.isidentifier():
                        yield str(path.relative_to(REPOSITORY)), node.value


def test_both_tables_of_errors_are_added_to_alike() -> None:
    """A statement names one table, so there are two. They may differ in the table, its key and their first line."""
    by_day, by_age = ((SQL / "rollups" / f"{name}.sql").read_text() for name in ("errors_add", "errors_add_by_age"))
    renamed = by_age.replace("error_age_rollup", "error_rollup").replace("label_age_hours", "known_day")
    assert renamed.splitlines()[1:] == by_day.splitlines()[1:]
