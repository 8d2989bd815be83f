"""Reads and checks what a client sent. The result is a request that can be answered, or a refusal with its reasons."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from bento_service.bounds import find_excess
from bento_service.repeated_keys import find_repeated
from cyclone.errors import CycloneError
from cyclone.rows.validation import (
    ALLOWED_ID,
    EARLIEST,
    ERROR_LIMIT,
    LABEL_KEYS,
    RowError,
    explain_time,
    find_label_faults,
    is_id,
    read_label,
    read_time,
    show_value,
    validate_rows,
)
from cyclone.settings import Settings
from cyclone.spec import ModelSpec


class RequestError(CycloneError):
    """A request that is refused as a whole with a 4xx. None of its rows is predicted or stored."""

    def __init__(self, status: int, error: str, details: list[RowError] | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.details = details or []
        self.at: datetime | None = None
        """The event time of the request, if it has one. A request of a replay counts in the hour that is replayed."""

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        details = [
            {"row": item.index, "feature": item.feature, "value": item.value, "allowed": item.allowed}
            for item in self.details
        ]
        return {"error": str(self), "details": details}


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """Rows that the model can answer. `ids` and `created_at` (UTC) are those that the client sent, or None."""

    rows: list[dict[str, Any]]
    ids: list[str] | None
    created_at: list[datetime] | None


def open_to_replay(spec: ModelSpec, settings: Settings) -> ModelSpec:
    """The spec of a service that is being started. In a replay, clients may always say when a row happened."""
    if settings.clock == "wall":
        return spec
    serving = spec.serving.model_copy(update={"accept_created_at": True})
    return spec.model_copy(update={"serving": serving})


def read_predict_request(
    spec: ModelSpec, content: bytes, now: datetime, earliest: datetime = EARLIEST
) -> PredictRequest:
    """The request in the body of POST /predict, checked against the model's spec.

    Errors: `RequestError` with the rows that cannot be used and the event time.
    """
    body = _read_object(spec, content, "rows", ("rows", "ids", "created_at"))
    try:
        return _check_predict_request(spec, content, body, now, earliest)
    except RequestError as refusal:
        refusal.at = _find_event_time(spec, body, now, earliest)
        raise


def _check_predict_request(
    spec: ModelSpec, content: bytes, body: dict[str, Any], now: datetime, earliest: datetime
) -> PredictRequest:
    _check_keys(body, "rows", ("rows", "ids", "created_at"))
    rows = _read_list(body, "rows", spec.serving.max_rows)
    _refuse_repeated(content, body, rows)
    ids = _read_list_of(body, "ids", len(rows))
    times = _read_list_of(body, "created_at", len(rows))
    if times is not None and not spec.serving.accept_created_at:
        raise RequestError(
            400, f"{spec.name} does not accept created_at. Leave it out: rows are dated when they arrive"
        )
    errors = validate_rows(spec, rows)
    errors += _find_id_faults(spec, ids or [], rows)
    created_at = [read_time(value, now, earliest) for value in times or []]
    errors += [
        RowError(index, "created_at", show_value(value), explain_time(value, earliest))
        for index, value in enumerate(times or [])
        if created_at[index] is None
    ]
    if errors:
        raise _refuse_rows(len(rows), errors)
    return PredictRequest(rows, ids, [time for time in created_at if time] or None)


def _find_event_time(spec: ModelSpec, body: dict[str, Any], now: datetime, earliest: datetime) -> datetime | None:
    """The first valid time in a body that is refused. None if the model does not accept times."""
    times = body.get("created_at")
    if not spec.serving.accept_created_at or not isinstance(times, list):
        return None
    return next((time for value in times if (time := read_time(value, now, earliest))), None)


def read_label_request(
    spec: ModelSpec, content: bytes, now: datetime, earliest: datetime = EARLIEST
) -> list[dict[str, Any]]:
    """The labels in the body of POST /labels, checked against the model's spec. `observed_at` is in UTC or None.

    Errors: `RequestError` with the labels that cannot be used.
    """
    body = _read_object(spec, content, "labels", ("labels",))
    _check_keys(body, "labels", ("labels",))
    labels = _read_list(body, "labels", spec.serving.max_rows)
    _refuse_repeated(content, body, labels)
    errors = [
        error for index, entry in enumerate(labels) for error in find_label_faults(spec, index, entry, now, earliest)
    ]
    if errors:
        raise _refuse_rows(len(labels), errors)
    return [
        {
            **entry,
            "label": read_label(spec.label, entry["label"]),
            "observed_at": read_time(entry.get("observed_at"), now, earliest),
        }
        for entry in labels
    ]


def _read_object(spec: ModelSpec, content: bytes, needed: str, keys: tuple[str, ...]) -> dict[str, Any]:
    fields = len(spec.features) if needed == "rows" else len(LABEL_KEYS)
    if excess := find_excess(content, spec.serving.max_rows, fields):
        raise RequestError(413, f"the body holds {excess}")
    try:
        body = from_json(content)
    except ValueError as error:
        raise RequestError(400, f"the body is not valid JSON ({error}). {_describe_body(keys)} is needed") from None
    if not isinstance(body, dict):
        raise RequestError(400, f"the body is no JSON object. {_describe_body(keys)} is needed")
    return body


def _check_keys(body: dict[str, Any], needed: str, keys: tuple[str, ...]) -> None:
    for key in body:
        if key not in keys:
            raise RequestError(400, f"the key {show_value(key)!r} is unknown. {_describe_body(keys)} is needed")
    if needed not in body:
        raise RequestError(400, f"{needed} is missing. {_describe_body(keys)} is needed")


def _describe_body(keys: tuple[str, ...]) -> str:
    return "A JSON object with " + ", ".join(keys)


def _read_list(body: dict[str, Any], key: str, max_rows: int) -> list[Any]:
    entries = body[key]
    if not isinstance(entries, list) or not entries:
        raise RequestError(400, f"{key} must be a list of 1 to {max_rows} objects, not {show_value(entries)!r}")
    if len(entries) > max_rows:
        raise RequestError(413, f"{key} has {len(entries)} entries. One request may carry {max_rows}")
    return entries


def _refuse_repeated(content: bytes, body: dict[str, Any], entries: list[Any]) -> None:
    """Refuse a key that stands more than once. Errors: `RequestError` naming each, as far as errors are listed."""
    errors = []
    for item in find_repeated(content, body, entries):
        key, count = show_value(item.key), len(item.values)
        if item.index is None:
            raise RequestError(400, f"the key {key!r} stands {count} times. Keep one")
        errors.append(RowError(item.index, key, show_value(item.values), f"one value, not {count}"))
    if errors:
        raise _refuse_rows(len(entries), errors)


def _read_list_of(body: dict[str, Any], key: str, length: int) -> list[Any] | None:
    entries = body.get(key)
    if entries is not None and not (isinstance(entries, list) and len(entries) == length):
        found = f"{len(entries)}" if isinstance(entries, list) else repr(show_value(entries))
        raise RequestError(400, f"{key} must be a list with one entry for each of the {length} rows, not {found}")
    return entries


def refuse_ids(ids: list[str], conflicts: list[int]) -> None:
    """Refuse the ids at the places in `conflicts`. They were given to other rows before.

    Errors: `RequestError` with 409 if there are any.
    """
    if not conflicts:
        return
    allowed = "the row that it was given to before, unchanged. For another row send another id, or none"
    errors = [RowError(place, "id", show_value(ids[place]), allowed) for place in conflicts]
    words = f"{len(conflicts)} of {len(ids)} ids belong to other rows. Nothing was kept"
    raise RequestError(409, words, errors[:ERROR_LIMIT])


def _find_id_faults(spec: ModelSpec, ids: list[Any], rows: list[Any]) -> list[RowError]:
    """The faults of ids: those that are no ids, and those that come twice with the same row.

    `RecentIds` finds an id that comes with another row.
    """
    are_counted = spec.serving.conflicting_ids == "count"
    errors = []
    first_use: dict[str, int] = {}
    for index, value in enumerate(ids):
        if not is_id(value):
            errors.append(RowError(index, "id", show_value(value), ALLOWED_ID))
        elif (first := first_use.setdefault(value, index)) != index and not are_counted and rows[first] == rows[index]:
            allowed = f"an id of its own. Row {first} has this one"
            errors.append(RowError(index, "id", show_value(value), allowed))
    return errors


def _refuse_rows(count: int, errors: list[RowError]) -> RequestError:
    bad = len({error.index for error in errors})
    limited = len(errors) >= ERROR_LIMIT
    shown = sorted(errors, key=lambda error: error.index)[:ERROR_LIMIT]
    words = f"{'at least ' if limited else ''}{bad} of {count} rows cannot be used. Nothing was kept"
    return RequestError(400, words, shown)
