"""Every word with a fixed meaning is explained in docs/glossary.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
GLOSSARY = (REPOSITORY / "docs" / "glossary.md").read_text()
EXPLAINED = set(re.findall(r"`([^`]+)`", GLOSSARY))
TABLE = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)
PACKAGES = ("cyclone", "training", "releasing", "bento_service", "local_platform", "plugins")


def list_tables() -> set[str]:
    return {name for path in (REPOSITORY / "sql/migrations").glob("*.sql") for name in TABLE.findall(path.read_text())}


def list_literals(source: str) -> Iterator[str]:
    """The texts in every `Literal[…]` of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal":
            for item in ast.walk(node.slice):
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    yield item.value


def list_unexplained(explained: set[str]) -> set[str]:
    paths = [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")]
    literals = {literal for path in paths for literal in list_literals(path.read_text())}
    return (list_tables() | literals) - explained


def test_every_table_and_every_literal_is_in_the_glossary() -> None:
    assert list_unexplained(EXPLAINED) == set()


@pytest.mark.parametrize("word", ["incident", "kept_champion", "prior_shift"])
def test_a_word_that_is_missing_is_named(word: str) -> None:
    assert list_unexplained(EXPLAINED - {word}) == {word}
