"""Who may import whom, as docs/how-it-works.md draws it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = {"cyclone", "training", "bento_service", "cyclone_airflow", "local_platform", "dags"}
HEAVY = {"airflow", "bentoml", "mlflow", "google", "sklearn", "pandas", "great_expectations", "matplotlib"}
MAY_IMPORT = {
    "cyclone": set(),
    "training": {"cyclone"},
    "bento_service": {"cyclone"},
    "plugins": {"cyclone", "training", "cyclone_airflow"},
    "local_platform": {"cyclone", "training"},
    "dags": {"cyclone", "training", "cyclone_airflow"},
}


def find_imports(path: Path, *, at_module_level: bool) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    if at_module_level:
        inside = {
            id(node)
            for scope in nodes
            if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) or _is_type_checking(scope)
            for node in ast.walk(scope)
        }
        nodes = [node for node in nodes if id(node) not in inside]
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_those_of_ours_that_the_design_allows(package: str) -> None:
    for path in (REPOSITORY / package).rglob("*.py"):
        foreign = (find_imports(path, at_module_level=False) & OURS) - MAY_IMPORT[package] - {package}
        assert not foreign, f"{path.relative_to(REPOSITORY)} imports {foreign}"


@pytest.mark.parametrize("package", ["cyclone", "training"])
def test_heavy_packages_are_imported_only_inside_the_functions_that_need_them(package: str) -> None:
    for path in (REPOSITORY / package).rglob("*.py"):
        heavy = find_imports(path, at_module_level=True) & HEAVY
        assert not heavy, f"{path.relative_to(REPOSITORY)} imports {heavy} at module level"


def load_modules(imports: str) -> set[str]:
    command = [sys.executable, "-c", f"import sys{imports}; print(*sys.modules)"]
    loaded = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(loaded.stdout.split())


def test_the_core_loads_nothing_heavy() -> None:
    core = ", cyclone.spec, cyclone.store, cyclone.checks, cyclone.decisions"
    loaded = load_modules(core) - load_modules("")  # namespace packages may be there from the start
    assert not HEAVY & {name.split(".")[0] for name in loaded}


def test_the_rule_sees_an_import_at_module_level_and_leaves_one_in_a_function(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("import pandas\ndef f():\n    import mlflow\n")
    assert find_imports(path, at_module_level=True) == {"pandas"}
    assert find_imports(path, at_module_level=False) == {"pandas", "mlflow"}
