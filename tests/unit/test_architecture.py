"""Who may import whom, as docs/how-it-works.md draws it."""

import ast
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = {
    "cyclone",
    "training",
    "releasing",
    "bento_service",
    "cyclone_airflow",
    "local_platform",
    "dags",
    "grafana",
    "benchmarks",
}
HEAVY = {"airflow", "bentoml", "mlflow", "google", "sklearn", "pandas", "great_expectations", "matplotlib"}
MAY_IMPORT = {
    "cyclone": set(),
    "training": {"cyclone", "bento_service"},  # a check asks an estimator as the service does
    "releasing": {"cyclone", "training"},
    "bento_service": {"cyclone"},
    "plugins": {"cyclone", "training", "releasing", "cyclone_airflow"},
    "local_platform": {"cyclone", "training", "releasing"},
    "dags": {"cyclone", "training", "releasing", "cyclone_airflow"},
    "grafana": {"cyclone", "training", "local_platform"},
    "benchmarks": {
        "cyclone",
        "training",
        "releasing",
        "bento_service",
        "local_platform",
        "grafana",
        "cyclone_airflow",
    },
}


MAY_USE = {
    "cyclone.commands": {
        "cyclone.lineage",
        "cyclone.policy",
        "cyclone.checks",
        "cyclone.rows",
        "cyclone.calibration",
        "cyclone.grafana",
        "cyclone.installation",
    },
    "cyclone.installation": set(),
    "cyclone.alerts": {"cyclone.policy"},
    "cyclone.policy": {"cyclone.checks"},
    "cyclone.checks": set(),
    "cyclone.calibration": set(),
    "cyclone.grafana": set(),
    "cyclone.lineage": set(),
    "cyclone.messages": {"cyclone.policy"},
    "cyclone.page": {"cyclone.policy"},
    "cyclone.rows": set(),
    "cyclone": {"cyclone.installation"},  # a setting may name a secret
    "training.commands": {"training.backtest", "training.checking", "training.starting", "training"},
    "training": {
        "training.backtest",
        "training.images",
        "training.gate",
        "training.fit",
        "training.tracking",
        "training.data",
    },
    "training.backtest": {"training.checking", "training.gate", "training.fit", "training.data"},
    "training.checking": {"training.fit", "training.tracking", "training.data"},
    "training.starting": {"training.checking", "training.data"},
    "training.images": {"training.fit", "training.tracking"},
    "training.gate": {"training.fit", "training.tracking", "training.data"},
    "training.fit": {"training.tracking", "training.data"},
    "training.tracking": {"training.data"},
    "training.data": set(),
    "grafana.boards": set(),
    "grafana.trial": {"grafana.boards"},
}
"""Which subject of a package may use which other. The files right under `cyclone` may be used by all of it."""


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


@pytest.mark.parametrize("package", ["cyclone", "training", "releasing"])
def test_heavy_packages_are_imported_only_inside_the_functions_that_need_them(package: str) -> None:
    for path in (REPOSITORY / package).rglob("*.py"):
        heavy = find_imports(path, at_module_level=True) & HEAVY
        assert not heavy, f"{path.relative_to(REPOSITORY)} imports {heavy} at module level"


def load_modules(imports: str) -> set[str]:
    command = [sys.executable, "-c", f"import sys{imports}; print(*sys.modules)"]
    loaded = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(loaded.stdout.split())


def test_the_core_loads_nothing_heavy() -> None:
    core = ", cyclone.spec, cyclone.store, cyclone.checks.evaluation, cyclone.policy.decisions"
    loaded = load_modules(core) - load_modules("")  # namespace packages may be there from the start
    assert not HEAVY & {name.split(".")[0] for name in loaded}


def test_the_rule_sees_an_import_at_module_level_and_leaves_one_in_a_function(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("import pandas\ndef f():\n    import mlflow\n")
    assert find_imports(path, at_module_level=True) == {"pandas"}
    assert find_imports(path, at_module_level=False) == {"pandas", "mlflow"}


PURE = (
    "alerts.judging",
    "alerts.payload",
    "policy.facts",
    "policy.decisions",
    "policy.rules",
    "policy.breaker",
    "checks.verdicts",
    "checks.chance",
    "wording",
    "times",
    "names",
)
"""Modules of `cyclone` that decide or name, of values alone."""
TALKERS = (
    "psycopg2",
    "requests",
    "cyclone.store",
    "cyclone.checks.measurements",
    "cyclone.policy.evidence",
    "cyclone.clock",
)


def read_modules(repository: Path) -> dict[str, ast.Module]:
    """Our modules by the name that others import them under."""
    found = {}
    for package in MAY_IMPORT:
        root = repository / package if package == "plugins" else repository
        for path in (repository / package).rglob("*.py"):
            name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text())
    return found


def list_files() -> dict[str, Path]:
    """Our source files by their path in the repository."""
    paths = [path for package in MAY_IMPORT for path in (REPOSITORY / package).rglob("*.py")]
    return {str(path.relative_to(REPOSITORY)): path for path in paths}


def list_own_imports(modules: Mapping[str, ast.Module], name: str) -> Iterator[tuple[str, ast.alias]]:
    """The modules of ours that one imports, wherever in it and for types too, and under which name what comes."""
    for node in ast.walk(modules[name]):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                source = whole if whole in modules else node.module
                if source in modules:
                    yield source, alias
        elif isinstance(node, ast.Import):
            yield from ((alias.name, alias) for alias in node.names if alias.name in modules)


def find_circle(modules: Mapping[str, ast.Module]) -> list[str]:
    """Modules each of which imports the next, the last the first. Empty where there are none."""
    arrows = {name: {source for source, _ in list_own_imports(modules, name)} - {name} for name in modules}
    while ends := [name for name, targets in arrows.items() if not targets & arrows.keys()]:
        for name in ends:
            del arrows[name]
    if not arrows:
        return []
    path = [next(iter(sorted(arrows)))]
    while path.count(path[-1]) == 1:
        path.append(min(arrows[path[-1]] & arrows.keys()))
    return path[path.index(path[-1]) :]


def find_twin_classes(modules: Mapping[str, ast.Module]) -> dict[str, list[str]]:
    """Classes of which several modules have one, with the modules."""
    places = defaultdict(list)
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    return {name: sorted(found) for name, found in places.items() if len(found) > 1}


def find_renamed(modules: Mapping[str, ast.Module]) -> list[str]:
    """What a module imports of ours under another name than its own."""
    return [
        f"{name}: {alias.name} as {alias.asname}"
        for name in modules
        for _, alias in list_own_imports(modules, name)
        if alias.asname
    ]


def find_subject(name: str) -> str:
    """The subject that a module belongs to: its folder within the package, or the package for a file right under it."""
    own = ".".join(name.split(".")[:2])
    return own if own in MAY_USE else name.split(".")[0]


def find_wrong_arrows(modules: Mapping[str, ast.Module]) -> list[str]:
    """Imports within a package that go from one subject to another that it may not use."""
    found = []
    for name in modules:
        subject = find_subject(name)
        for source in {source for source, _ in list_own_imports(modules, name)}:
            target = find_subject(source)
            is_within = subject in MAY_USE and target.split(".")[0] == subject.split(".")[0]
            is_free = target in {subject, "cyclone"} or name == "cyclone.__main__"
            if is_within and not is_free and target not in MAY_USE[subject]:
                found.append(f"{name} -> {source}")
    return sorted(found)


def list_reached(modules: Mapping[str, ast.Module], start: str) -> set[str]:
    """All that a module imports at its top, and what that imports, and so on. What is not ours by its package."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        for node in modules[name].body:
            if isinstance(node, ast.ImportFrom) and node.module:
                targets = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                targets = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            fresh = {target if target in modules else target.split(".")[0] for target in targets} - reached
            reached |= fresh
            waiting += fresh & modules.keys()
    return reached


MODULES = read_modules(REPOSITORY)


def test_no_files_import_each_other_in_a_circle() -> None:
    assert find_circle(MODULES) == []


def test_a_subject_uses_only_those_that_the_design_allows() -> None:
    assert find_wrong_arrows(MODULES) == []


def test_a_folder_holds_no_more_files_than_a_stranger_can_look_over() -> None:
    modules = [path for package in [*MAY_IMPORT, "tests"] for path in (REPOSITORY / package).rglob("*.py")]
    statements = [path for path in (REPOSITORY / "sql").rglob("*.sql") if path.parent.name != "migrations"]
    counts = Counter(path.parent.relative_to(REPOSITORY) for path in [*modules, *statements])
    assert {str(folder): count for folder, count in counts.items() if count > 25} == {}


def test_a_file_is_split_before_it_is_too_long_to_read() -> None:
    lengths = {name: path.read_text().count("\n") for name, path in list_files().items()}
    assert {name: length for name, length in lengths.items() if length >= 400} == {}


def test_a_class_name_means_one_thing() -> None:
    assert find_twin_classes(MODULES) == {}


def test_what_is_ours_keeps_its_name_where_it_is_imported() -> None:
    assert find_renamed(MODULES) == []


@pytest.mark.parametrize("name", PURE)
def test_what_decides_reads_and_writes_nothing(name: str) -> None:
    assert not list_reached(MODULES, f"cyclone.{name}") & set(TALKERS)


def test_the_rules_see_a_circle_a_twin_and_a_renamed_import() -> None:
    planted = {
        "cyclone.one": "from cyclone import two\nclass Champion: ...\n",
        "cyclone.two": "def f():\n    from cyclone.three import g as h\n",
        "cyclone.three": "if TYPE_CHECKING:\n    import cyclone.one\nclass Champion: ...\n",
        "cyclone.four": "from cyclone.one import Champion\nimport psycopg2\n",
        "cyclone.five": "from cyclone import four\n",
    }
    modules = {name: ast.parse(text) for name, text in planted.items()}
    assert find_circle(modules) == ["cyclone.one", "cyclone.two", "cyclone.three", "cyclone.one"]
    assert find_circle({**modules, "cyclone.three": ast.parse("")}) == []
    wrong = {"cyclone.checks.one": "from cyclone.policy.two import f\n", "cyclone.policy.two": "import cyclone.spec\n"}
    wrong_modules = {name: ast.parse(text) for name, text in {**wrong, "cyclone.spec": ""}.items()}
    assert find_wrong_arrows(wrong_modules) == ["cyclone.checks.one -> cyclone.policy.two"]
    assert find_twin_classes(modules) == {"Champion": ["cyclone.one", "cyclone.three"]}
    assert find_renamed(modules) == ["cyclone.two: g as h"]
    assert "psycopg2" in list_reached(modules, "cyclone.five")


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "plugins" / "cyclone_airflow").glob("*.py")), ids=lambda path: path.stem
)
def test_no_file_of_the_plugin_hides_a_package_from_an_airflow_that_loads_it_by_its_bare_name(path: Path) -> None:
    assert path.stem == "__init__" or find_spec(path.stem) is None
    assert "cyclone_airflow/" in (REPOSITORY / "plugins" / ".airflowignore").read_text()
