"""The schema of the Google provider, read from the JavaScript that `cdktn-provider-google` carries.

Terraform's own provider cannot be fetched everywhere. The bindings are generated from its schema and say of each
argument whether it is required, optional, computed, a block or write-only, and of which type it is. Allowed values and
arguments that exclude each other are not among them.

The result is JSON. A block is `{"attributes": {...}, "blocks": {...}}`. An attribute has `type`, as Terraform's
protocol spells it, and `required`, `optional`, `computed`, `write_only`. A nested block has `nesting`, `min_items` and
`max_items`.
"""

import re
import tarfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
SIMPLE = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
GETTERS = {"String": "string", "Number": "number", "Boolean": "bool", "Any": "dynamic", "Interpolation": "string"}
PART = re.compile(r"^(?:function (\w+)ToHclTerraform|class (\w+) extends|function |exports\.)", re.MULTILINE)
# What an argument is written as: its value, whether it is a block, and its type.
WRITTEN = re.compile(
    r"^ +(\w+): \{\n +value: (.*),\n +isBlock: (true|false),\n +type: \"(\w+)\",\n +storageClassType: \"(\w+)\"",
    re.MULTILINE,
)
MEMBER = re.compile(r"// (\w+) - computed: (true|false), optional: (true|false), required: (true|false)\n")
NESTED = re.compile(r"= new (?!cdktn\.)(\w+?)(OutputReference|List|Map)\(this, \"\w+\"(?:, (true|false))?\)")
MAP = re.compile(r"new cdktn\.(String|Number|Boolean|Any)Map\(")
GETTER = re.compile(r"this\.get(String|Number|Boolean|Any|Interpolation)?(List|Map)?(?:Attribute|ForAttribute)?\(")


class Bindings:
    """The archive of the bindings, which has one file a resource."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive

    def read(self, resources: Iterable[str], data_sources: Iterable[str]) -> Schema:
        """The schemas of the provider, of resources and of data sources.

        Errors: `KeyError` for one that is not there.
        """
        folders = {"provider": "provider"}
        folders |= {f"resource {name}": name.removeprefix("google_").replace("_", "-") for name in resources}
        folders |= {f"data {name}": "data-" + name.replace("_", "-") for name in data_sources}
        paths = {f"package/lib/{folder}/index.js": key for key, folder in folders.items()}
        found = {}
        with tarfile.open(self._archive) as archive:
            for member in archive:
                if key := paths.get(member.name):
                    file = archive.extractfile(member)
                    found[key] = read_block(file.read().decode()) if file else {}
        if missing := sorted(set(folders) - set(found)):
            raise KeyError(f"the Google provider has no {', '.join(missing)}")
        return found


def read_block(source: str) -> Schema:
    """The block of the resource that a file of the bindings declares last."""
    written: dict[str, str] = {}
    classes: dict[str, str] = {}
    starts = list(PART.finditer(source))
    for start, end in pairwise([*starts, None]):
        assert start is not None
        text = source[start.start() : end.start() if end else len(source)]
        if start[1]:
            written[start[1]] = text
        elif start[2]:
            classes[start[2]] = text
    name = list(classes)[-1]
    return _build_block(classes[name], classes[name], written, classes)


def _build_block(text: str, hcl: str, written: dict[str, str], classes: dict[str, str]) -> Schema:
    arguments = {match[1]: match for match in WRITTEN.finditer(hcl)}
    parts = list(MEMBER.finditer(text))
    block: Schema = {"attributes": {}, "blocks": {}}
    for member, following in pairwise([*parts, None]):
        assert member is not None
        body = text[member.end() : following.start() if following else len(text)]
        argument, nested = arguments.get(member[1]), NESTED.search(body)
        inner = _build_nested(nested, written, classes) if nested else None
        if inner is not None and argument is not None and argument[3] == "true":
            block["blocks"][member[1]] = inner | _count(argument, nested, member[4] == "true")
        elif nested or argument is None or argument[3] == "false":  # else a block of the provider's own configuration
            block["attributes"][member[1]] = {
                "type": _wrap(inner, nested) if nested else _find_type(argument, body),
                "computed": member[2] == "true",
                "optional": member[3] == "true",
                "required": member[4] == "true",
                "write_only": argument is not None and "markWriteOnlyAttribute" in argument[2],
            }
    return block


def _build_nested(nested: re.Match[str], written: dict[str, str], classes: dict[str, str]) -> Schema:
    text = classes[f"{nested[1]}OutputReference"]
    return _build_block(text, written.get(nested[1][0].lower() + nested[1][1:], ""), written, classes)


def _count(argument: re.Match[str], nested: re.Match[str] | None, is_required: bool) -> Schema:
    """How often a block may stand. The bindings have a list where it may stand more than once."""
    is_single = nested is not None and nested[2] == "OutputReference"
    nesting = "single" if argument[4] == "struct" else argument[4]
    return {
        "nesting": nesting,
        "min_items": int(is_required and nesting != "single"),
        "max_items": int(is_single and nesting != "single"),
    }


def _wrap(inner: Schema | None, nested: re.Match[str] | None) -> Any:
    """The type of an attribute that holds objects, which no configuration writes as blocks."""
    assert inner is not None
    assert nested is not None
    fields = {name: attribute["type"] for name, attribute in inner["attributes"].items()}
    fields |= {name: ["list", _wrap(block, nested)[1]] for name, block in inner["blocks"].items()}
    kind = "map" if nested[2] == "Map" else "set" if nested[3] == "true" else "list"
    return [kind, ["object", fields]]


def _find_type(argument: re.Match[str] | None, body: str) -> Any:
    if argument is not None and argument[4] == "simple":
        return SIMPLE[argument[5]]
    if argument is not None:
        return [argument[4], SIMPLE[argument[5].removesuffix(argument[4].capitalize()).removesuffix("List")]]
    if found := MAP.search(body):
        return ["map", GETTERS[found[1]]]
    found = GETTER.search(body)
    assert found is not None, body
    kind = GETTERS[found[1] or "String"]
    if found[2] is None:
        return kind
    return ["map" if found[2] == "Map" else "set" if "Fn.tolist(" in body else "list", kind]
