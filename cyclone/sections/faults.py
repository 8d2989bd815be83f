"""What is wrong with a `model.yaml`, one line each: file, line, key, value, and what is allowed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cyclone.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

NEEDED = "A mapping with name, task, features and label is needed"
MERGE = "tag:yaml.org,2002:merge"
"""The tag of YAML's key `<<`, which may be there more than once."""
NO_TEXT = {"date": "a date", "datetime": "a time", "bool": "yes or no", "int": "a number", "float": "a number"}
"""What YAML takes a value for that is written without quotes, by the name of its type in Python."""


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Errors: `ConfigurationError` with the line, when the file cannot be read, is no mapping, or has a key twice.
    """
    try:
        data = load_yaml(path)
    except OSError as error:
        raise ConfigurationError(_describe_syntax(path, error)) from error
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path}: it is no mapping of keys. {NEEDED}")
    return data


def load_yaml(path: Path) -> Any:
    """The plain values in a YAML file.

    Errors: `OSError` when it cannot be read. `ConfigurationError` with the line, when it is no YAML or has a key twice.
    """
    content = path.read_bytes()
    try:
        return yaml.load(content, UniqueKeyLoader)  # noqa: S506 (it loads plain values only)
    # Besides its own errors, PyYAML lets those of dates, of long numbers and of deep nesting through.
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigurationError(_describe_syntax(path, error)) from error


class UniqueKeyLoader(yaml.SafeLoader):
    """A loader of plain values that refuses a mapping with a key that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        written: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if (key.tag, key.value) in written:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice. Keep one", key.start_mark
                )
            written.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def describe_faults(path: Path, error: "ValidationError") -> str:
    """The errors of a validation, one line each with its place in the file."""
    root = yaml.compose(path.read_bytes(), yaml.SafeLoader)
    return "\n".join(f"{path}{_find_line(root, item['loc'])}: {words}" for item, words in _describe(error))


def describe_keys(error: "ValidationError") -> str:
    """The errors of a validation in one line, without places. For values that are in no file as they are."""
    return ". ".join(words for _, words in _describe(error))


def _describe(error: "ValidationError") -> Iterator[tuple["ErrorDetails", str]]:
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "model"
        value = item["input"]
        if item["type"] == "extra_forbidden":
            yield item, f"{key}: unknown key (value {value!r}), see docs/bring-a-model.md for the keys"
        elif item["type"] == "missing":
            yield item, f"{key}: missing. It has no default, see docs/bring-a-model.md"
        else:
            shown = "" if isinstance(value, dict) else f" (value {value!r})"
            yield item, f"{key}: {item['msg'].removeprefix('Value error, ')}{shown}{_advise(item)}"


def _advise(item: "ErrorDetails") -> str:
    """The remedy for a text that YAML takes for something else."""
    taken_for = NO_TEXT.get(type(item["input"]).__name__)
    if item["type"] != "string_type" or not taken_for:
        return ""
    return f". YAML takes it for {taken_for}: write it in quotes"


def _describe_syntax(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f", line {mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    advice = "" if "Keep one" in problem else ". Look at indentation, tabs, colons and quotes there" if mark else ""
    return f"{path}{line}: not readable as YAML: {problem}{advice}"


def _find_line(root: Any, place: Sequence[int | str]) -> str:
    """The line of a key, or of the nearest key above it that is there. Empty for the file as a whole."""
    node, line = root, 0
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return f", line {line}" if line else ""
