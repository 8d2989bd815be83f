"""No files of the local platform import each other in a circle, not even for their types."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[3] / "local_platform"


def read_imports(package: Path) -> dict[str, set[str]]:
    """The modules of a package, and which of them each imports, at whatever level."""
    paths = {name_module(package, path): path for path in package.rglob("*.py")}
    return {name: find_imported(ast.parse(path.read_text())) & paths.keys() for name, path in paths.items()}


def name_module(package: Path, path: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def find_imported(tree: ast.Module) -> set[str]:
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    names = {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | plain | {str(node.module) for node in froms}


def test_no_files_import_each_other_in_a_circle() -> None:
    TopologicalSorter(read_imports(PACKAGE)).prepare()


def test_a_circle_is_seen_although_one_side_is_for_types_only(tmp_path: Path) -> None:
    package = tmp_path / "parts"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("from parts.two import build\n")
    (package / "two.py").write_text("if TYPE_CHECKING:\n    from parts import one\n")
    with pytest.raises(CycleError, match=r"parts\.one"):
        TopologicalSorter(read_imports(package)).prepare()
