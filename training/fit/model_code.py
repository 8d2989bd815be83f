"""The Python code in a model's folder: pipeline.py, and expectations.py if the model has one."""

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cyclone.errors import ConfigurationError
from cyclone.image_contract import PIPELINE_FILE
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.tracking.packages import advise_install

ERROR_CHARACTERS = 400
"""The most characters of an error of a library that a message shows. scikit-learn's begin with the reason."""


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
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"{locate(path, error)}: it cannot be imported: {describe_error(error)}. {_advise(error)}"
        ) from error
    value = getattr(module, function, None)
    if not callable(value):
        raise ConfigurationError(f"{path}: {function} is not defined. Define a function of this name there")
    return value  # type: ignore[no-any-return]


def make_estimator(spec: ModelSpec, build_estimator: Callable[[], Any]) -> Any:
    """A new unfitted estimator. Every part that fits or checks one makes it here.

    Errors: `ConfigurationError` when `build_estimator` fails, or gives something else.
    """
    place = f"{spec.name}: build_estimator() of {PIPELINE_FILE}"
    try:
        estimator = build_estimator()
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"{place} fails{find_line(spec, error)}: {describe_error(error)}. {_advise(error)}"
        ) from error
    if isinstance(estimator, type):
        raise ConfigurationError(f"{place} returns the class {estimator.__name__}. Return one: {estimator.__name__}()")
    if not callable(getattr(estimator, "fit", None)):
        raise ConfigurationError(
            f"{place} returns {shorten(repr(estimator))}, which has no fit. Return an unfitted scikit-learn estimator"
        )
    if is_fitted(estimator):
        raise ConfigurationError(
            f"{place} returns an estimator that is fitted already. Return a new one, for each training fits its own"
        )
    return estimator


def is_fitted(estimator: Any) -> bool:
    """Whether the estimator, or a step of it, has learned from data. Its attributes then end with an underscore."""
    parts = [estimator, *(part for _, part in getattr(estimator, "steps", None) or [])]
    return any(
        name.endswith("_") and not name.startswith("_") for part in parts for name in getattr(part, "__dict__", ())
    )


def _advise(error: BaseException) -> str:
    """What to do about an error of pipeline.py."""
    if not isinstance(error, ModuleNotFoundError):
        return "Correct it there"
    command = advise_install(error.name or "")
    return f"Run {command}" if command else "Correct it there, or install what is missing"


def find_line(spec: ModelSpec, error: BaseException) -> str:
    """The line of the model's pipeline.py in which an error came up, in words. Empty when it came up elsewhere."""
    # scikit-learn has a pipeline.py too. The model's stands in the folder of its name.
    own = (spec.name, PIPELINE_FILE)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).parts[-2:] == own]
    return f" in line {lines[-1]}" if lines else ""


def locate(path: Path, error: BaseException) -> str:
    """The file, and the line of it in which an error came up."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    return f"{path}, line {lines[-1]}" if lines else str(path)


def describe_error(error: BaseException) -> str:
    """An error of somebody else's code in one line, cut short. A `ValueError` is a sentence, and others need a name."""
    words = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
    return shorten(words).rstrip(".: ")


def shorten(words: str) -> str:
    """Words in one line, cut after `ERROR_CHARACTERS`."""
    line = " ".join(words.split())
    return line if len(line) <= ERROR_CHARACTERS else line[:ERROR_CHARACTERS] + "…"
