"""Validation of rows and labels by the model's spec. An error names the feature, its value and what is allowed."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec

ERROR_LIMIT = 100
"""The most errors that are reported of one request, so that an answer stays small however many rows are wrong."""
SHOWN_CHARACTERS = 100
"""The most characters of a wrong value that an error shows."""
SHOWN_NAMES = 50
"""The most values or features that an error lists. Thousands of them would be repeated in each error of a request."""
INT64_MAX = 2**63 - 1
"""The largest integer that Postgres and NumPy hold."""
ID_CHARACTERS = 128
"""The most characters of a prediction's id. A UUID has 36. Longer ids make every row and its index larger."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""The earliest time that is allowed. An earlier one is most likely a mistake, such as 1970 from an empty clock."""
CLOCK_SKEW = timedelta(minutes=5)
"""How far in the future a time may be, as clocks of clients run ahead."""
ALLOWED_ID = f"a text of 1 to {ID_CHARACTERS} characters, without \\u0000"
LABEL_KEYS = ("id", "label", "observed_at")
"""The keys of a label, as a client sends it or a file holds it. `observed_at` may be left out."""


@dataclass(frozen=True, slots=True)
class RowError:
    """A feature of a row that cannot be used. `index` counts rows from 0.

    `value` can be written as JSON and is cut short. `allowed` says in words what would be allowed.
    """

    index: int
    feature: str
    value: Any
    allowed: str


def validate_rows(spec: ModelSpec, rows: Sequence[Any], limit: int = ERROR_LIMIT) -> list[RowError]:
    """The errors of all rows, in the order of the rows, at most `limit`. An empty list means that all can be used.

    No value is converted. An integer is neither a boolean nor 5.0, a number is finite, and a text has no \\u0000.
    A nullable feature may be left out, which means null.
    """
    errors: list[RowError] = []
    features = {feature.name: feature for feature in spec.features}
    for index, row in enumerate(rows):
        for feature, value, allowed in _find_faults(features, row, is_matrix=spec.inputs == "matrix"):
            errors.append(RowError(index, feature, show_value(value), allowed))
            if len(errors) == limit:
                return errors
    return errors


def is_allowed(field: Feature | Label, value: Any, *, is_matrix: bool = False) -> bool:
    """Whether a value has the field's type, and is within its range or among its values if the field has any.

    An integer that a float would round is not allowed where it is read as one, as in a matrix.
    """
    if value is None:
        return isinstance(field, Feature) and field.nullable
    if field.type == "boolean":
        return isinstance(value, bool)
    if field.type == "category":
        return isinstance(value, str) and (field.values is None or value in field.places)
    if field.type == "text":
        return isinstance(value, str) and "\0" not in value and _is_unicode(value)
    if isinstance(value, bool) or not isinstance(value, int if field.type == "integer" else int | float):
        return False
    if isinstance(value, int) and abs(value) > INT64_MAX:
        return False
    if isinstance(value, int) and not is_exact(value) and (is_matrix or is_read_as_float(field)):
        return False
    return math.isfinite(value) and (field.range is None or field.range[0] <= value <= field.range[1])


def read_label(label: Label, value: Any) -> Any:
    """A label as it is kept. 1 and 0 are true and false where the label is boolean, as they are in a file.

    >>> read_label(Label(name="late", type="boolean", expected_delay_hours=1), 1)
    True
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value == 1 if label.type == "boolean" and is_number and value in (0, 1) else value


def is_read_as_float(field: Feature | Label) -> bool:
    """Whether training and checks read the field's numbers as floats. An integer that may be null is one of them."""
    return isinstance(field, Label) or field.type == "number" or field.nullable


def is_exact(value: int) -> bool:
    """Whether a float holds an integer without rounding it. From 2^53 on it holds only some.

    >>> is_exact(2**53), is_exact(2**53 + 1)
    (True, False)
    """
    return int(float(value)) == value


def describe_allowed(field: Feature | Label) -> str:
    """What `is_allowed` accepts, in words such as `an integer from 0 to 23`."""
    if field.type == "boolean":
        words = "true or false, or 1 or 0" if isinstance(field, Label) else "true or false"
    elif field.type == "text":
        words = "a text without \\u0000"
    elif field.type == "category":
        words = "one of " + list_some([repr(value) for value in field.values]) if field.values else "a text"
    else:
        words = "an integer" if field.type == "integer" else "a finite number"
        if field.range is not None:
            words += f" from {_show_bound(field.range[0])} to {_show_bound(field.range[1])}"
    return words + " or null" if isinstance(field, Feature) and field.nullable else words


def explain_allowed(field: Feature | Label, value: Any, *, is_matrix: bool = False) -> str:
    """What is allowed in place of a refused value, and that a float would round it if that is the reason."""
    words = describe_allowed(field)
    if field.type == "boolean" and isinstance(field, Feature) and value in (0, 1):
        return f"{words}, as JSON writes them. Only files may write 1 and 0"
    is_integer = field.type in ("integer", "number") and isinstance(value, int) and abs(value) <= INT64_MAX
    if is_integer and not is_exact(value) and (is_matrix or is_read_as_float(field)):
        return f"{words}, and no integer beyond 2^53 that a float rounds"
    return words


def list_some(names: Sequence[str]) -> str:
    """Names in words, with the number of those that are left out.

    >>> list_some(["a", "b"])
    'a, b'
    """
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {more} more in model.yaml" if more > 0 else "")


def is_id(value: Any) -> bool:
    """Whether a value may be the id of a prediction."""
    return isinstance(value, str) and 1 <= len(value) <= ID_CHARACTERS and "\0" not in value and _is_unicode(value)


def explain_time(value: Any, earliest: datetime) -> str:
    """What `read_time` accepts in place of a refused value, and how a leap second is written if it is one."""
    words = f"an ISO 8601 time with its zone, from {earliest:%Y-%m-%d} to now"
    is_leap = isinstance(value, str) and ":60" in value
    return words + (". A leap second is written as the second before it, which is 59" if is_leap else "")


def read_time(value: Any, now: datetime, earliest: datetime = EARLIEST) -> datetime | None:
    """A time in UTC, from an ISO 8601 text. None for any other value, and for a time that is not allowed.

    A time needs a zone. It may not be before `earliest`, nor later than `now` by more than `CLOCK_SKEW`.
    """
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is not None and earliest <= time <= now + CLOCK_SKEW:
            return time.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    return None


def find_label_faults(
    spec: ModelSpec, index: int, entry: Any, now: datetime, earliest: datetime = EARLIEST
) -> Iterator[RowError]:
    """The errors of one label with the keys `LABEL_KEYS`. There are none when it can be kept."""
    if not isinstance(entry, dict):
        yield RowError(index, "label", show_value(entry), "an object with id, label and perhaps observed_at")
        return
    if not is_id(entry.get("id")):
        yield RowError(index, "id", show_value(entry.get("id")), ALLOWED_ID)
    if not is_allowed(spec.label, read_label(spec.label, entry.get("label"))):
        yield RowError(index, "label", show_value(entry.get("label")), explain_allowed(spec.label, entry.get("label")))
    at = entry.get("observed_at")
    if at is not None and read_time(at, now, earliest) is None:
        yield RowError(index, "observed_at", show_value(at), explain_time(at, earliest))
    for key in entry.keys() - set(LABEL_KEYS):
        allowed = "no such key. The keys are " + ", ".join(LABEL_KEYS)
        yield RowError(index, show_value(key), show_value(entry[key]), allowed)


def show_value(value: Any) -> Any:
    """A value that JSON can hold. A text is cut after `SHOWN_CHARACTERS`, and any other value becomes text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) <= INT64_MAX:
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    text = text.encode(errors="replace").decode()
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def _find_faults(features: Mapping[str, Feature], row: Any, *, is_matrix: bool) -> Iterator[tuple[str, Any, str]]:
    if not isinstance(row, Mapping):
        yield "row", row, "an object of features and their values"
        return
    for name, feature in features.items():
        if not is_allowed(feature, row.get(name), is_matrix=is_matrix):
            allowed = explain_allowed(feature, row.get(name), is_matrix=is_matrix)
            yield name, row.get(name), allowed if name in row else f"{allowed}, but the feature is missing"
    if not row.keys() <= features.keys():
        for name in row:
            if name not in features:
                known = list_some(list(features))
                yield show_value(name), row[name], f"no such feature. The features are {known}"


def _is_unicode(text: str) -> bool:
    """Whether Postgres can store a text. It cannot store half of a surrogate pair."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _show_bound(bound: float) -> str:
    return str(int(bound)) if bound.is_integer() else str(bound)
