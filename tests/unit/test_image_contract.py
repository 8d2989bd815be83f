"""What the service reads, a deployment passes on. And each name that both sides must agree on stands in one place."""

import ast
import re
from pathlib import Path

import pytest

from cyclone import image_contract
from cyclone.calibration.correction import Calibration
from cyclone.image_contract import API_KEYS_VARIABLE, DEPLOYED_VARIABLES, PROCESS_VARIABLES, RUNTIME_VARIABLES
from cyclone.keys import add_key, pack_keys
from cyclone.settings import Settings
from releasing.revision_environment import build_environment

REPOSITORY = Path(__file__).resolve().parents[2]
CONTRACT = "cyclone.image_contract"
CONSTANTS = {name: value for name, value in vars(image_contract).items() if isinstance(value, str) and name.isupper()}
SETTING_HOLDERS = {"settings", "_settings", "read_settings", "Settings"}
COMMON_WORDS = {image_contract.SPECS_FOLDER}
"""A word that means other things as well."""
PACKAGES = ("bento_service", "cyclone", "training", "releasing", "local_platform", "plugins", "dags")


def find_modules_of_service() -> dict[str, Path]:
    """Every file of ours that the service imports, at whatever level."""
    found: dict[str, Path] = {}
    waiting = [f"bento_service.{path.stem}" for path in (REPOSITORY / "bento_service").glob("*.py")]
    while waiting:
        name = waiting.pop()
        path = REPOSITORY.joinpath(*name.split(".")).with_suffix(".py")
        if name in found or not path.is_file():
            continue
        found[name] = path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
    return found


def find_variables(source: str) -> set[str]:
    """The environment variables that a file reads: by the contract's name, by the word itself, or as a setting."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and node.id.endswith("_VARIABLE"):
            found.add(CONSTANTS[node.id])
        elif isinstance(node, ast.Subscript) and is_environment(node.value):
            found |= read_word(node.slice)
        elif isinstance(node, ast.Call) and node.args and is_environment_call(node.func):
            found |= read_word(node.args[0])
        elif isinstance(node, ast.Attribute) and is_settings(node.value) and node.attr in Settings.model_fields:
            alias = Settings.model_fields[node.attr].validation_alias
            found.add(str(alias or f"CYCLONE_{node.attr.upper()}"))
    return found


def is_environment(node: ast.expr) -> bool:
    return ast.unparse(node) in ("os.environ", "environ")


def is_environment_call(node: ast.expr) -> bool:
    is_method = isinstance(node, ast.Attribute) and is_environment(node.value)
    return is_method or ast.unparse(node) in ("os.getenv", "getenv")


def read_word(node: ast.expr) -> set[str]:
    """The name that is written there. A name of the contract is found where it is named."""
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def is_settings(node: ast.expr) -> bool:
    holder = node.func if isinstance(node, ast.Call) else node
    name = holder.attr if isinstance(holder, ast.Attribute) else getattr(holder, "id", "")
    return name in SETTING_HOLDERS


def test_every_variable_that_the_service_reads_comes_from_the_deployment_or_says_why_not() -> None:
    modules = find_modules_of_service()
    assert {"bento_service.service", "bento_service.__main__", "cyclone.keys", "cyclone.store"} <= modules.keys()
    del modules[CONTRACT]
    read = {variable for path in modules.values() for variable in find_variables(path.read_text())}
    known = {*DEPLOYED_VARIABLES, *RUNTIME_VARIABLES, *PROCESS_VARIABLES}
    assert read - known == set(), "give it in releasing.revision_environment, or say in PROCESS_VARIABLES why not"
    assert known - read - {*RUNTIME_VARIABLES, image_contract.DO_NOT_TRACK_VARIABLE} == set()  # BentoML reads that one


@pytest.mark.parametrize(
    ("source", "variable"),
    [
        ("os.environ['A_NEW_ONE']", "A_NEW_ONE"),
        ("os.environ.get('A_NEW_ONE', '')", "A_NEW_ONE"),
        ("os.getenv('A_NEW_ONE')", "A_NEW_ONE"),
        ("Store(settings.training_dsn)", "CYCLONE_TRAINING_DSN"),
        ("self._settings.work_dir / 'x'", "CYCLONE_WORK_DIR"),
        ("read_settings().mlflow_uri", "MLFLOW_TRACKING_URI"),
        ("variables.get(SPOOL_DIR_VARIABLE)", "CYCLONE_SPOOL_DIR"),
    ],
)
def test_a_variable_is_found_however_it_is_read(source: str, variable: str) -> None:
    assert find_variables(source) == {variable}


def test_a_deployment_gives_every_variable_that_has_a_value_and_no_other(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = add_key(keys, "client", ["predict"])
    settings = Settings(store_dsn="postgresql://host/cyclone", api_keys_file=keys)
    told = settings.model_copy(update={"bentoml_options": "services.PredictionService.workers=2", "clock": "replay"})
    full = build_environment(told, pack_keys(told), Calibration("ratio", (1.25,)))
    assert set(full) == {*DEPLOYED_VARIABLES}
    assert all(full.values())
    assert key not in full[API_KEYS_VARIABLE], "the hash is enough"
    optional = {API_KEYS_VARIABLE, image_contract.CALIBRATION_VARIABLE, image_contract.BENTOML_OPTIONS_VARIABLE}
    optional |= {image_contract.CLOCK_VARIABLE}
    assert set(build_environment(settings, "")) == {*DEPLOYED_VARIABLES} - optional


def test_no_variable_has_two_sources() -> None:
    assert len({*DEPLOYED_VARIABLES, *RUNTIME_VARIABLES, *PROCESS_VARIABLES}) == sum(
        map(len, (DEPLOYED_VARIABLES, RUNTIME_VARIABLES, PROCESS_VARIABLES))
    )
    variables = {value for name, value in CONSTANTS.items() if name.endswith("_VARIABLE")}
    assert variables == {*DEPLOYED_VARIABLES, *RUNTIME_VARIABLES, *PROCESS_VARIABLES}


def find_spelled_out(source: str) -> set[str]:
    """The names of the contract that a file spells out itself, alone or at the end of a path."""
    tree = ast.parse(source)
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    names = {*CONSTANTS.values()} - COMMON_WORDS
    return {name for text in texts for name in names if re.fullmatch(rf"(\S*/)?{re.escape(name)}", text)}


@pytest.mark.parametrize("package", PACKAGES)
def test_each_name_is_spelled_out_once(package: str) -> None:
    for path in (REPOSITORY / package).rglob("*.py"):
        if path.stem != "image_contract":
            assert find_spelled_out(path.read_text()) == set(), path.relative_to(REPOSITORY)


def test_a_name_that_is_spelled_out_again_is_found() -> None:
    source = "x = root / 'release.json'\ny = 'source/model.yaml'\nz = 'no model.yaml here'\n"
    assert find_spelled_out(source) == {"release.json", "model.yaml"}
