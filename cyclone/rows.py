"""Rows and labels against the model's spec: what is wrong, with which value, and what would be allowed."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cyclone.spec import Feature, Label, ModelSpec

ERROR_LIMIT = 100
SHOWN_CHARACTERS = 100
INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RowError:
    """One feature of one row that cannot be used. `value` is JSON-able and cut short."""

    index: int
    feature: str
    value: Any
    allowed: str


def validate_rows(spec: ModelSpec, rows: Sequence[Any], limit: int = ERROR_LIMIT) -> list[RowError]:
    """Every error of every row in their order, at most `limit`; an empty list means all can be used.

    Nothing is converted: an integer is no boolean and no 5.0, a number is finite, a text has no \\u0000.
    A nullable feature may be left out, which means null.
    """
    errors: list[RowError] = []
    features = {feature.name: feature for feature in spec.features}
    for index, row in enumerate(rows):
        for feature, value, allowed in _find_faults(features, row):
            errors.append(RowError(index, feature, show_value(value), allowed))
            if len(errors) == limit:
                return errors
    return errors


def is_allowed(field: Feature | Label, value: Any) -> bool:
    """Whether the value has the field's type and lies within its range or values."""
    if value is None:
        return isinstance(field, Feature) and field.nullable
    if field.type == "boolean":
        return isinstance(value, bool)
    if field.type == "category":
        return isinstance(value, str) and (field.values is None or value in field.values)
    if field.type == "text":
        return isinstance(value, str) and "\0" not in value and _is_unicode(value)
    if isinstance(value, bool) or not isinstance(value, int if field.type == "integer" else int | float):
        return False
    if isinstance(value, int) and abs(value) > INT64_MAX:
        return False
    return math.isfinite(value) and (field.range is None or field.range[0] <= value <= field.range[1])


def describe_allowed(field: Feature | Label) -> str:
    """What `is_allowed` accepts, in words: `an integer from 0 to 23`."""
    if field.type == "boolean":
        words = "true or false"
    elif field.type == "text":
        words = "a text without \\u0000"
    elif field.type == "category":
        words = "one of " + ", ".join(map(repr, field.values)) if field.values else "a text"
    else:
        words = "an integer" if field.type == "integer" else "a finite number"
        if field.range is not None:
            words += f" from {_show_bound(field.range[0])} to {_show_bound(field.range[1])}"
    return words + " or null" if isinstance(field, Feature) and field.nullable else words


def show_value(value: Any) -> Any:
    """The value as JSON can hold it, cut after `SHOWN_CHARACTERS`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) <= INT64_MAX:
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    text = text.encode(errors="replace").decode()
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def _find_faults(features: Mapping[str, Feature], row: Any) -> Iterator[tuple[str, Any, str]]:
    if not isinstance(row, Mapping):
        yield "row", row, "an object of features and their values"
        return
    for name, feature in features.items():
        if not is_allowed(feature, row.get(name)):
            allowed = describe_allowed(feature)
            yield name, row.get(name), allowed if name in row else f"{allowed}; the feature is missing"
    if not row.keys() <= features.keys():
        for name in row:
            if name not in features:
                known = ", ".join(features)
                yield show_value(name), row[name], f"no such feature; the features are {known}"


def _is_unicode(text: str) -> bool:
    """Whether the text can be stored: half of a surrogate pair alone cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _show_bound(bound: float) -> str:
    return str(int(bound)) if bound.is_integer() else str(bound)
