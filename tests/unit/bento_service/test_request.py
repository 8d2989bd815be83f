import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bento_service.request import (
    PredictRequest,
    RequestError,
    open_to_replay,
    read_label_request,
    read_predict_request,
)
from cyclone.rows.validation import RowError
from cyclone.sections import Feature, Label, Serving
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.times import EARLIEST_OF_HISTORY

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LABEL = Label(name="sold", type="integer", range=(0, 9), expected_delay_hours=1)
FEATURE = Feature(name="hour", type="integer", range=(0, 23))
SPEC = ModelSpec(
    name="shop",
    task="regression",
    features=(FEATURE,),
    label=LABEL,
    serving=Serving(max_rows=3, accept_created_at=True),
)
DATED_ON_ARRIVAL = SPEC.model_copy(update={"serving": Serving()})
ROW = {"hour": 1}
TIME = "an ISO 8601 time with its zone, from 2000-01-01 to now"


def encode(body: Any) -> bytes:
    return json.dumps(body).encode()


def refuse(body: Any, spec: ModelSpec = SPEC) -> RequestError:
    with pytest.raises(RequestError) as raised:
        read_predict_request(spec, body if isinstance(body, bytes) else encode(body), NOW)
    return raised.value


def test_rows_alone_are_a_request() -> None:
    request = read_predict_request(SPEC, encode({"rows": [ROW], "ids": None, "created_at": None}), NOW)
    assert request == PredictRequest([ROW], None, None)


def test_ids_and_times_come_along_and_times_become_utc() -> None:
    body = {
        "rows": [ROW, ROW],
        "ids": ["a", "é" * 128],
        "created_at": ["2011-01-01T02:00:00+02:00", "2011-01-01T01:00Z"],
    }
    times = [datetime(2011, 1, 1, hour, tzinfo=UTC) for hour in (0, 1)]
    assert read_predict_request(SPEC, encode(body), NOW) == PredictRequest([ROW, ROW], ["a", "é" * 128], times)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, "the body is not valid JSON (EOF while parsing a value at line 1 column 0)"),
        (b'{"rows": [', 400, "the body is not valid JSON (EOF"),
        (b"\xff", 400, "the body is not valid JSON (expected value"),
        (b'{"rows":' + b"[" * 5, 400, "the body is not valid JSON (EOF"),
        (b"[" * 100_000, 413, "the body holds more than the 3 entries that one request may carry"),
        (b'{"rows": [' + b"1," * 100 + b"1]}", 413, "the body holds more values than 3 entries of 1 fields have"),
        (b'{"ids": ["' + b"a" * 70_000 + b'"]}', 413, "the body holds a text, or a gap, longer than 65536 bytes"),
        (b"[]", 400, "the body is no JSON object. A JSON object with rows, ids, created_at is needed"),
        ({}, 400, "rows is missing"),
        ({"rows": [ROW], "row": 1}, 400, "the key 'row' is unknown"),
        ({"rows": []}, 400, "rows must be a list of 1 to 3 objects, not '[]'"),
        ({"rows": ROW}, 400, "rows must be a list of 1 to 3 objects"),
        ({"rows": [ROW] * 4}, 413, "rows has 4 entries. One request may carry 3"),
        ({"rows": [ROW], "ids": "a"}, 400, "ids must be a list with one entry for each of the 1 rows, not 'a'"),
        ({"rows": [ROW], "ids": []}, 400, "ids must be a list with one entry for each of the 1 rows, not 0"),
        ({"rows": [ROW], "created_at": [1, 2]}, 400, "created_at must be a list with one entry for each"),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused(body: Any, status: int, error: str) -> None:
    refusal = refuse(body)
    assert (refusal.status, refusal.details) == (status, [])
    assert str(refusal).startswith(error)


def test_event_times_are_refused_where_the_model_does_not_take_them() -> None:
    body = {"rows": [ROW], "created_at": ["2011-01-01T00:00Z"]}
    refusal = refuse(body, DATED_ON_ARRIVAL)
    assert refusal.status == 400
    assert str(refusal) == "shop does not accept created_at. Leave it out: rows are dated when they arrive"


def test_every_bad_row_is_named() -> None:
    refusal = refuse({"rows": [{"hour": 24}, ROW, {"hour": None}]})
    assert refusal.to_json() == {
        "error": "2 of 3 rows cannot be used. Nothing was kept",
        "details": [
            {"row": 0, "feature": "hour", "value": 24, "allowed": "an integer from 0 to 23"},
            {"row": 2, "feature": "hour", "value": None, "allowed": "an integer from 0 to 23"},
        ],
    }


@pytest.mark.parametrize("value", ["", "a" * 129, 7, None, "a\0b"])
def test_an_id_is_a_short_text(value: Any) -> None:
    assert [(error.index, error.feature) for error in refuse({"rows": [ROW], "ids": [value]}).details] == [(0, "id")]


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"rows": [{"hour": 1}], "rows": [{"hour": 2}]}', "rows"),
        (b'{"rows": [{"hour": 1}], "ids": ["a"], "ids": ["b"]}', "ids"),
        (b'{"ids" : ["a"], "rows": [{"hour": 1}], "i\\u0064s": ["b"]}', "ids"),
    ],
)
def test_a_key_of_the_body_that_stands_twice_is_refused_by_name(body: bytes, key: str) -> None:
    refusal = refuse(body)
    assert (refusal.status, str(refusal)) == (400, f"the key {key!r} stands 2 times. Keep one")


@pytest.mark.parametrize(
    ("second", "values"),
    [
        ('"hour":9', "[1, 9]"),
        ('"hour" : 9', "[1, 9]"),
        ('"hour"\n:9', "[1, 9]"),
        ('"ho\\u0075r": 9', "[1, 9]"),
        ('"hour":1', "[1, 1]"),
        ('"hour":3,"hour": 9', "[1, 3, 9]"),
        ('"hour":{"hour":9}', '[1, [["hour", 9]]]'),
    ],
)
def test_a_feature_that_stands_twice_in_a_row_is_refused_by_name_with_its_values(second: str, values: str) -> None:
    """Whatever else has colons, and however the key is written."""
    body = (
        f'{{"rows": [{{"hour": 2}}, {{"hour":1,{second}}}], "created_at": ["2011-01-01T00:00Z", "2011-01-02T00:00Z"]}}'
    )
    refusal = refuse(body.encode())
    assert str(refusal) == "1 of 2 rows cannot be used. Nothing was kept"
    count = values.count(",") if second.endswith("}") else values.count(",") + 1
    assert refusal.details == [RowError(1, "hour", values, f"one value, not {count}")]
    assert refusal.at == datetime(2011, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["a:b", 'say ":" :', '\\": {', "\\"])
def test_colons_and_quotes_within_a_text_are_no_keys(text: str) -> None:
    body = f'{{"rows" : [{{"hour":1}}], "ids":[{json.dumps(text)}]}}'
    assert read_predict_request(SPEC, body.encode(), NOW) == PredictRequest([ROW], [text], None)


@pytest.mark.parametrize(
    ("body", "error", "details"),
    [
        ('{"labels": [], "labels": [{"id": "a", "label": 1}]}', "the key 'labels' stands 2 times. Keep one", []),
        (
            '{"labels": [{"id": "a", "label": 1, "label": 2}, {"id": "b", "id": "c", "label": 1}]}',
            "2 of 2 rows cannot be used. Nothing was kept",
            [RowError(0, "label", "[1, 2]", "one value, not 2"), RowError(1, "id", '["b", "c"]', "one value, not 2")],
        ),
    ],
)
def test_a_key_of_a_label_that_stands_twice_is_refused_by_name(body: str, error: str, details: list[RowError]) -> None:
    with pytest.raises(RequestError) as raised:
        read_label_request(SPEC, body.encode(), NOW)
    assert (str(raised.value), raised.value.details) == (error, details)


def test_a_leap_second_is_refused_with_what_to_send_instead() -> None:
    """Neither Python nor the store tells it from the second after it."""
    leap = "2016-12-31T23:59:60Z"
    allowed = f"{TIME}. A leap second is written as the second before it, which is 59"
    assert refuse({"rows": [ROW], "created_at": [leap]}).details == [RowError(0, "created_at", leap, allowed)]


def test_an_id_is_used_once_in_a_request() -> None:
    refusal = refuse({"rows": [ROW] * 3, "ids": ["a", "b", "a"]})
    assert refusal.details == [RowError(2, "id", "a", "an id of its own. Row 0 has this one")]


@pytest.mark.parametrize(
    "value",
    ["2011-01-01T00:00:00", "yesterday", 1293840000, None, "1999-12-31T23:59Z", "2026-05-02T00:00Z", "9999-99"],
)
def test_a_time_has_a_zone_and_lies_in_the_known_past(value: Any) -> None:
    refusal = refuse({"rows": [ROW, ROW], "created_at": ["2011-01-01T00:00Z", value]})
    assert refusal.details == [RowError(1, "created_at", value, TIME)]


@pytest.mark.parametrize(
    "change",
    [
        {"rows": [{"hour": 99}]},
        {"rows": []},
        {"rows": [ROW, ROW]},
        {"ids": [1]},
        {"more": 1},
        {"created_at": ["yesterday", "2011-01-01T02:00+02:00", "2011-01-02T00:00Z"]},
    ],
)
def test_a_refused_request_keeps_its_first_valid_event_time(change: dict[str, Any]) -> None:
    body = {"rows": [ROW], "created_at": ["2011-01-01T00:00Z"]} | change
    assert refuse(body).at == datetime(2011, 1, 1, tzinfo=UTC)
    assert refuse(body, DATED_ON_ARRIVAL).at is None


@pytest.mark.parametrize(
    "body", [b"{", b"[]", {"rows": [{"hour": 99}]}, {"rows": [ROW], "created_at": ["?"]}, {"created_at": 1}]
)
def test_a_refused_request_without_a_valid_event_time_has_none(body: Any) -> None:
    assert refuse(body).at is None


def test_labels_are_read_with_their_time_or_none() -> None:
    labels = [{"id": "a", "label": 3, "observed_at": "2011-01-01T01:00+01:00"}, {"id": "b", "label": 0}]
    assert read_label_request(SPEC, encode({"labels": labels}), NOW) == [
        {"id": "a", "label": 3, "observed_at": datetime(2011, 1, 1, tzinfo=UTC)},
        {"id": "b", "label": 0, "observed_at": None},
    ]


def test_bad_labels_are_named_with_what_is_allowed() -> None:
    labels: list[Any] = [
        {"id": "a", "label": 10},
        7,
        {"id": "", "label": None, "observed_at": "soon", "note": "x"},
    ]
    with pytest.raises(RequestError) as raised:
        read_label_request(SPEC, encode({"labels": labels}), NOW)
    assert raised.value.details == [
        RowError(0, "label", 10, "an integer from 0 to 9"),
        RowError(1, "label", 7, "an object with id, label and perhaps observed_at"),
        RowError(2, "id", "", "a text of 1 to 128 characters, without \\u0000"),
        RowError(2, "label", None, "an integer from 0 to 9"),
        RowError(2, "observed_at", "soon", TIME),
        RowError(2, "note", "x", "no such key. The keys are id, label, observed_at"),
    ]


@pytest.mark.parametrize(("sent", "kept"), [(1, True), (0, False), (1.0, True), (True, True), (False, False)])
def test_a_boolean_label_may_be_1_or_0_as_in_a_file(sent: Any, kept: bool) -> None:
    spec = SPEC.model_copy(update={"label": Label(name="late", type="boolean", expected_delay_hours=1)})
    (label,) = read_label_request(spec, encode({"labels": [{"id": "a", "label": sent}]}), NOW)
    assert label["label"] is kept


@pytest.mark.parametrize("sent", [2, -1, "1", "true", None])
def test_another_number_or_a_text_is_no_boolean_label(sent: Any) -> None:
    spec = SPEC.model_copy(update={"label": Label(name="late", type="boolean", expected_delay_hours=1)})
    with pytest.raises(RequestError) as raised:
        read_label_request(spec, encode({"labels": [{"id": "a", "label": sent}]}), NOW)
    assert raised.value.details[0].allowed == "true or false, or 1 or 0"


def test_in_a_replay_a_model_takes_the_times_of_its_history() -> None:
    """The model takes no times in service, and a service takes none before 2000."""
    body = encode({"rows": [ROW], "created_at": ["1955-02-01T00:00:00Z"]})
    with pytest.raises(RequestError, match="does not accept created_at"):
        read_predict_request(open_to_replay(DATED_ON_ARRIVAL, Settings(clock="wall")), body, NOW)
    spec = open_to_replay(DATED_ON_ARRIVAL, Settings(clock="replay"))
    with pytest.raises(RequestError) as refused:
        read_predict_request(spec, body, NOW)
    assert refused.value.details[0].allowed == TIME
    request = read_predict_request(spec, body, NOW, EARLIEST_OF_HISTORY)
    assert request.created_at == [datetime(1955, 2, 1, tzinfo=UTC)]
    labels = encode({"labels": [{"id": "a", "label": 7, "observed_at": "1955-02-02T00:00:00Z"}]})
    assert read_label_request(SPEC, labels, NOW, EARLIEST_OF_HISTORY)[0]["observed_at"].year == 1955
    with pytest.raises(RequestError):
        read_label_request(SPEC, labels, NOW)
