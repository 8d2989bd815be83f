"""Whether a board is one that Grafana can read, by the types of `@grafana/schema` 13.2.3 (see `grafana/schemas/`)."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

Json = dict[str, Any]
FOLDER = Path(__file__).resolve().parent.parent / "schemas"
KINDS = {
    "timeseries": "timeseries",
    "stat": "stat",
    "table": "table",
    "status-history": "statushistory",
    "barchart": "barchart",
}
"""The kinds of panels that boards use, with the name of their schema."""


def find_board_faults(board: Json) -> list[str]:
    """What is wrong with a board, one sentence each."""
    faults = [*_validate("dashboard", _without_targets(board), board.get("uid", "a board without uid"))]
    if not board.get("uid"):
        faults.append("the board has no uid")
    ids = [panel.get("id") for panel in board["panels"]]
    faults += [f"panel {panel.get('title')!r} has no id" for panel in board["panels"] if not panel.get("id")]
    if len(set(ids)) != len(ids):
        faults.append(f"ids of panels are not distinct: {ids}")
    for panel in board["panels"]:
        if panel["type"] != "row":
            faults += find_panel_faults(panel)
    return faults


def find_panel_faults(panel: Json) -> Iterator[str]:
    """What is wrong with a panel's own options and its fields."""
    place = f"panel {panel.get('title')!r}"
    if panel["type"] not in KINDS:
        yield f"{place}: the kind {panel['type']!r} is none of {', '.join(KINDS)}"
        return
    kind = KINDS[panel["type"]]
    yield from _validate(f"{kind}-options", panel["options"], f"{place}, options")
    fields = panel["fieldConfig"]
    yield from _validate_custom(kind, fields["defaults"].get("custom", {}), place)
    for item in fields["overrides"]:
        where = f"{place}, override of {item['matcher'].get('options')!r}"
        given = {change["id"]: change["value"] for change in item["properties"]}
        custom = {key.removeprefix("custom."): value for key, value in given.items() if key.startswith("custom.")}
        plain = {key: value for key, value in given.items() if not key.startswith("custom.")}
        yield from _validate_custom(kind, custom, where)
        yield from _validate("dashboard", plain, where, "FieldConfig")


def _validate_custom(kind: str, custom: Json, place: str) -> Iterator[str]:
    """Custom options may be left out, so what the schema requires of a whole is not asked of a part."""
    if kind == "stat":
        yield from (f"{place}: a number has no custom option {key!r}" for key in custom)
        return
    schema = {**_read(f"{kind}-custom"), "required": []}
    yield from (f"{place}, custom: {error.message}" for error in jsonschema.Draft7Validator(schema).iter_errors(custom))


def _validate(name: str, value: Json, place: str, definition: str = "") -> Iterator[str]:
    schema = _read(name)
    if definition:
        schema = {**schema["definitions"][definition], "definitions": schema["definitions"]}
    for error in jsonschema.Draft7Validator(schema).iter_errors(value):
        deepest = min(_list_causes(error), key=lambda cause: -len(cause.absolute_path))
        yield f"{place}: at {'.'.join(map(str, deepest.absolute_path))}: {deepest.message[:300]}"


def _list_causes(error: jsonschema.ValidationError) -> list[jsonschema.ValidationError]:
    """An error, or those below it where none of several types fits."""
    return [cause for inner in error.context or () for cause in _list_causes(inner)] or [error]


def _without_targets(board: Json) -> Json:
    """A board without the targets of its annotations. The published type knows only those of Grafana's own store."""
    layers = [{key: value for key, value in layer.items() if key != "target"} for layer in board["annotations"]["list"]]
    return {**board, "annotations": {"list": layers}}


@cache
def _read(name: str) -> Json:
    content: Json = json.loads((FOLDER / f"{name}.json").read_text())
    return content
