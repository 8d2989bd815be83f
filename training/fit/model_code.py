"""The code in a model's folder: its pipeline.py, and its expectations.py where it has one."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cyclone.errors import ConfigurationError
from cyclone.image_contract import PIPELINE_FILE
from cyclone.settings import Settings
from cyclone.spec import ModelSpec


def find_pipeline(settings: Settings, spec: ModelSpec) -> Path:
    """Where the model's pipeline.py is, or would be."""
    return settings.models_dir / spec.name / PIPELINE_FILE


def load_builder(settings: Settings, spec: ModelSpec) -> Callable[[], Any]:
    """`build_estimator` of `models/<name>/pipeline.py`. Errors: `ConfigurationError` quoting what is wrong."""
    # The name under which the bundle finds it too, so that classes defined there can be loaded again.
    return load_function(find_pipeline(settings, spec), f"models.{spec.name}.pipeline", "build_estimator")


def load_function(path: Path, module_name: str, function: str) -> Callable[..., Any]:
    """A function of a Python file. Errors: `ConfigurationError` when the file or the function is not usable."""
    found = importlib.util.spec_from_file_location(module_name, path)
    if found is None or found.loader is None or not path.is_file():
        raise ConfigurationError(f"{path}: missing; it defines {function}()")
    module = importlib.util.module_from_spec(found)
    sys.modules[module_name] = module
    try:
        found.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(f"{path}: it cannot be imported: {error!r}") from error
    value = getattr(module, function, None)
    if not callable(value):
        raise ConfigurationError(f"{path}: {function} is not defined; a function of this name is needed")
    return value  # type: ignore[no-any-return]
