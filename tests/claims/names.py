"""Names in documents: options, modules, keys of model.yaml, in sentences, in the table of keys and in examples."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import yaml
from pydantic import BaseModel

from cyclone.sections import CheckRules, Feature, Label
from cyclone.spec import ModelSpec, load_model_spec
from tests.claims.commands import list_options
from tests.claims.documents import REPOSITORY, Document
from tests.claims.sources import PACKAGES, is_known_name

LISTED: dict[str, type[BaseModel]] = {"features": Feature, "label": Label}
"""Keys of model.yaml that the documents explain in one row of the table, with all that is in them."""


def find_wrong_names(document: Document) -> Iterator[str]:
    """Options, modules and functions, and keys of model.yaml that nobody knows."""
    for span in document.spans:
        if re.match(r"--[a-z]", span) and span.split()[0] not in list_options():
            yield f"`{span}`: no command has this option"
        if re.fullmatch(rf"({'|'.join(PACKAGES)})(\.\w+)+", span) and not is_known_name(span):
            yield f"`{span}`: is neither a module, nor something in one, nor a text in the sources"
        if re.fullmatch(rf"({'|'.join(list_sections())})(\.\w+)+", span) and not is_key(span):
            yield f"`{span}`: model.yaml has no such key"
        key = re.match(r"([a-z_]+): ", span)
        if key and key[1] not in list_last_names():
            yield f"`{span}`: model.yaml has no key {key[1]}"


@cache
def list_keys(section: type[BaseModel] = ModelSpec, prefix: str = "") -> list[str]:
    """Every key of a model.yaml with its sections before it: `retrain.error.limit`. Those of `LISTED` end there."""
    keys = []
    for name, field in section.model_fields.items():
        inner = field.annotation
        if prefix + name not in LISTED and isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += list_keys(inner, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys


def is_key(name: str) -> bool:
    """Whether it is a key, a section, or a key within one of `LISTED`."""
    section, _, last = name.partition(".")
    inside = section in LISTED and last in LISTED[section].model_fields
    return inside or any(f"{key}.".startswith(f"{name}.") for key in list_keys())


def list_last_names() -> set[str]:
    """The last part of every key, wherever it stands."""
    names = {part for key in list_keys() for part in key.split(".")}
    sections: list[type[BaseModel]] = [*LISTED.values(), CheckRules]
    return names.union(*(section.model_fields for section in sections))


def list_sections() -> set[str]:
    return {key.split(".")[0] for key in list_keys() if "." in key}


def find_key_faults(document: Document) -> Iterator[str]:
    """How a table of all keys, `.name` completed by the section of the key before it, differs from the keys."""
    keys: list[str] = []
    for row in re.findall(r"^\| `.*$", document.text, re.MULTILINE):
        first, *others = row.strip("| ").split(" | ")
        for span in re.findall(r"`([a-z_.]+)(?:\[\])?`", first):
            keys.append(keys[-1].rpartition(".")[0] + span if span.startswith(".") else span)
            inside = LISTED[span].model_fields if span in LISTED else {}
            unsaid = [name for name in inside if f"`{name}" not in "".join(others)]
            yield from (f"`{span}`: its {name} is not documented" for name in unsaid)
    yield from (f"`{key}`: is not documented" for key in list_keys() if key not in keys)
    yield from (f"`{key}`: model.yaml has no such key" for key in keys if not is_key(key))


def find_wrong_blocks(document: Document) -> Iterator[str]:
    """Python that is none or imports what is not there, and parts of a model.yaml that a model may not have."""
    for language, text in document.blocks:
        if language == "python":
            yield from check_python(text)
        elif re.match(rf"({'|'.join(list_sections())}):", text):
            spec = load_model_spec(REPOSITORY / "models" / "bike_demand")
            try:
                ModelSpec.model_validate({**spec.model_dump(), **yaml.safe_load(text)})
            except (ValueError, yaml.YAMLError) as error:
                yield f"{text.splitlines()[0]}: {error}"


def check_python(text: str) -> Iterator[str]:
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError as error:
        yield f"Python block: {error}"
        return
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in PACKAGES:
            unknown = [item.name for item in node.names if not is_known_name(f"{node.module}.{item.name}")]
            yield from (f"from {node.module} import {name}: there is no {name}" for name in unknown)
