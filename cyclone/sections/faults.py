"""What is wrong with a `model.yaml`, one line each: file, line, key, value, and what is allowed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cyclone.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

NEEDED = "A mapping with name, task, features and label is needed"
NO_TEXT = {"date": "a date", "datetime": "a time", "bool": "yes or no", "int": "a number", "float": "a number"}
"""What YAML takes a value for that is written without quotes, by the name of its type in Python."""


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Errors: `ConfigurationError` with the line, when the file cannot be read, is no mapping, or has a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(_describe_syntax(path, error)) from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: not readable as YAML in UTF-8: {error}") from error
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path}: it is no mapping of keys. {NEEDED}")
    if repeated := list(_find_repeated(_compose(text))):
        raise ConfigurationError("\n".join(f"{path}, {words}" for words in repeated))
    return data


def describe_faults(path: Path, error: "ValidationError") -> str:
    """The errors of a validation, one line each with its place in the file."""
    root = _compose(path.read_text(encoding="utf-8-sig"))
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


def _describe_syntax(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f", line {mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"{path}{line}: not valid YAML: {problem}. Look at indentation, tabs, colons and quotes there"


def _compose(text: str) -> Any:
    return yaml.compose(text, Loader=yaml.SafeLoader)


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


def _find_repeated(node: Any) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        counts = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for name, count in counts.items():
            if count > 1:
                line = [key.start_mark.line + 1 for key, _ in node.value if key.value == name][-1]
                yield f"line {line}: the key {name} is there {count} times, and only the last would count. Keep one"
        for _, value in node.value:
            yield from _find_repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _find_repeated(item)
