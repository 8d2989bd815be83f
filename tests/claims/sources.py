"""What is in the sources of this repository: modules, what they define, and all texts."""

import ast
import importlib.util
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from tests.claims.documents import REPOSITORY

SUFFIXES = (".py", ".sql", ".yaml")
SOURCES = sorted(
    path.name
    for path in REPOSITORY.glob("[a-z]*/")
    if path.name not in ("docs", "tests") and any(item.suffix in (".py", ".sql") for item in path.rglob("*"))
)
"""The folders of our code."""
PACKAGES = sorted(path.parent.name for place in ("", "plugins/") for path in REPOSITORY.glob(f"{place}*/__init__.py"))


@cache
def read_sources() -> str:
    """All of our Python, SQL and YAML, the Makefile and what CI runs, as one text.

    Migrations are left out. A released one is never edited, so its comments name files as they were then.
    """
    files = [path for name in SOURCES for path in (REPOSITORY / name).rglob("*") if path.suffix in SUFFIXES]
    files = [path for path in files if path.parent.name != "migrations"]
    files += [REPOSITORY / "Makefile", *(REPOSITORY / ".ci").iterdir()]
    return "\n".join(path.read_text() for path in sorted(files))


def is_known_name(name: str) -> bool:
    """Whether a dotted name is a module, stands at the top of one, or is a text of the sources, as a tag is."""
    module, _, attribute = name.rpartition(".")
    is_there = find_module(name) is not None or attribute in list_definitions(module)
    return is_there or f'"{name}"' in read_sources()


def find_module(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None


def list_definitions(module: str) -> set[str]:
    """The functions and classes at the top of a module, which is not imported. None of what is no module."""
    spec = find_module(module)
    if spec is None or not spec.has_location:
        return set()
    nodes = ast.parse(Path(str(spec.origin)).read_text()).body
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
