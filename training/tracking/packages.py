"""The packages that a model's file needs beyond those of every image, told from the types in the file.

XGBoost, LightGBM and ONNX are extras of Cyclone. Only the image of a model that uses one of them installs it.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from cyclone.errors import ConfigurationError
from cyclone.image_contract import REQUIREMENTS_FILE
from cyclone.places import find_shipped

EXTRAS = {"xgboost": "xgboost", "lightgbm": "lightgbm", "onnxruntime": "onnx", "onnx": "onnx", "skl2onnx": "onnx"}
"""The extra of Cyclone that installs a module."""
RUN_WITH = {"cyclone.estimators.onnx_model": ("onnxruntime",)}
"""The packages that a module of Cyclone imports only when it predicts."""


def find_packages(types: Iterable[str]) -> list[str]:
    """The packages of these types that the base image lacks, each with its installed version, as `xgboost-cpu==3.2.0`.

    Errors: `ConfigurationError` when one of them is not installed.
    """
    names = {name for kind in types for name in _find_distributions(kind)}
    known = _read_known(find_shipped(f"requirements/{REQUIREMENTS_FILE}"))
    return [f"{name}=={_read_version(name)}" for name in sorted(names) if normalize(name) not in known]


def advise_install(module: str) -> str:
    """The command that installs a module, if it belongs to an extra. Empty if it does not."""
    extra = EXTRAS.get(module.split(".")[0])
    return f"pip install 'cyclone-mlops[{extra}]'" if extra else ""


def normalize(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _find_distributions(kind: str) -> Iterable[str]:
    module = kind.rpartition(".")[0]
    if module in RUN_WITH:
        return RUN_WITH[module]
    # Modules that no package brings are of Python itself, of Cyclone's source, or a model's pipeline.py.
    found = _list_distributions().get(kind.split(".")[0], [])[:1]
    return [name for name in found if name != "cyclone-mlops"]


@cache
def _list_distributions() -> Mapping[str, list[str]]:
    """The installed packages of each module. To list them takes a while, and they hardly change within a process."""
    return metadata.packages_distributions()


def _read_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError as error:
        command = advise_install(name) or f"pip install {name}"
        raise ConfigurationError(f"the model needs {name}, which is not installed here. Run {command}") from error


def _read_known(requirements: Path) -> set[str]:
    """The names of the packages in a compiled file of requirements."""
    lines = requirements.read_text().splitlines()
    return {normalize(line.split("==")[0].split("[")[0]) for line in lines if line[:1].isalnum()}
