"""Rows and labels against the model's spec: what is wrong, with which value, and what would be allowed."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec

ERROR_LIMIT = 100
SHOWN_CHARACTERS = 100
INT64_MAX = 2**63 - 1
ID_CHARACTERS = 128
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)
ALLOWED_ID = f"a text of 1 to {ID_CHARACTERS} characters, without \\u0000"
ALLOWED_TIME = f"an ISO 8601 time with its zone, from {EARLIEST:%Y-%m-%d} to now"
LABEL_KEYS = ("id", "label", "observed_at")


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
    """Whether the value has the field's type and lies within its range or values; without them the type is enough."""
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


def is_id(value: Any) -> bool:
    """Whether a client may name a prediction so."""
    return isinstance(value, str) and 1 <= len(value) <= ID_CHARACTERS and "\0" not in value and _is_unicode(value)


def read_time(value: Any, now: datetime) -> datetime | None:
    """An ISO 8601 text as UTC; None when it is none, has no zone, or is too early or in the future."""
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is not None and EARLIEST <= time <= now + CLOCK_SKEW:
            return time.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    return None


def find_label_faults(spec: ModelSpec, index: int, entry: Any, now: datetime) -> Iterator[RowError]:
    """What is wrong with one `{id, label, observed_at?}`; nothing when it can be kept."""
    if not isinstance(entry, dict):
        yield RowError(index, "label", show_value(entry), "an object with id, label and perhaps observed_at")
        return
    if not is_id(entry.get("id")):
        yield RowError(index, "id", show_value(entry.get("id")), ALLOWED_ID)
    if not is_allowed(spec.label, entry.get("label")):
        yield RowError(index, "label", show_value(entry.get("label")), describe_allowed(spec.label))
    at = entry.get("observed_at")
    if at is not None and read_time(at, now) is None:
        yield RowError(index, "observed_at", show_value(at), ALLOWED_TIME)
    for key in entry.keys() - set(LABEL_KEYS):
        allowed = "no such key; the keys are " + ", ".join(LABEL_KEYS)
        yield RowError(index, show_value(key), show_value(entry[key]), allowed)


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
