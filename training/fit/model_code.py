"""The Python code in a model's folder: pipeline.py, and expectations.py if the model has one."""

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
    """The path of the model's pipeline.py. The file need not exist."""
    return settings.models_dir / spec.name / PIPELINE_FILE


def load_builder(settings: Settings, spec: ModelSpec) -> Callable[[], Any]:
    """`build_estimator` of `models/<name>/pipeline.py`.

    Errors: `ConfigurationError` quoting what is wrong with the file.
    """
    # Serving imports the module by this name too. So a model file with classes of pipeline.py can be loaded there.
    return load_function(find_pipeline(settings, spec), f"models.{spec.name}.pipeline", "build_estimator")


def load_function(path: Path, module_name: str, function: str) -> Callable[..., Any]:
    """A function of a Python file, which is imported as `module_name`.

    Errors: `ConfigurationError` when the file is missing, cannot be imported, or does not define the function.
    """
    found = importlib.util.spec_from_file_location(module_name, path)
    if found is None or found.loader is None or not path.is_file():
        raise ConfigurationError(f"{path}: the file is missing. Write it with a function {function}()")
    # Registered before it runs, because pickling and dataclasses look a class's module up by its name.
    module = importlib.util.module_from_spec(found)
    sys.modules[module_name] = module
    try:
        found.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(f"{path}: it cannot be imported: {error!r}") from error
    value = getattr(module, function, None)
    if not callable(value):
        raise ConfigurationError(f"{path}: {function} is not defined. Define a function of this name there")
    return value  # type: ignore[no-any-return]
