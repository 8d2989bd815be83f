"""The rows of a training beside what SQL gives, on values that a text could get wrong."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cyclone.errors import DataError
from cyclone.rows.frames import frame_from_rows
from cyclone.sections import Feature, Label
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store, load_statement
from tests.support.statements import execute
from training.data.known_rows import KnownRows, build_parameters, read_known_rows
from training.data.row_copy import ROWS

SPEC = ModelSpec(
    name="m",
    task="regression",
    features=(
        Feature(name="count", type="integer"),
        Feature(name="maybe", type="integer", nullable=True),
        Feature(name="size", type="number"),
        Feature(name="100% 'odd'", type="number", nullable=True),
        Feature(name="flag", type="boolean"),
        Feature(name="unsure", type="boolean", nullable=True),
        Feature(name="colour", type="category", values=("red", "blue"), nullable=True),
        Feature(name="words", type="text"),
        Feature(name="note", type="text", nullable=True),
    ),
    label=Label(name="y", type="number", expected_delay_hours=0),
)
ROW: dict[str, Any] = {
    "count": 3,
    "maybe": None,
    "size": 2,
    "100% 'odd'": 0.1,
    "flag": True,
    "unsure": None,
    "colour": "red",
    "words": "plain",
    "note": "",
}
ODD: list[dict[str, Any]] = [
    {**ROW, "count": -(2**40), "maybe": 2**62, "size": 1e-300, "words": 'a "quoted", \\ text\nof two lines\r\n'},
    {**ROW, "flag": False, "unsure": True, "colour": None, "words": "é 木 \u2028 \x01 \x1f\t", "note": "null"},
    {**ROW, "size": 0.30000000000000004, "100% 'odd'": None, "words": "", "note": None, "extra": [1, {"a": 2}]},
    {key: value for key, value in ROW.items() if key not in ("maybe", "colour", "note")} | {"words": "NaN"},
]


def put_rows(store: Store, rows: Sequence[dict[str, Any]], label: Any = 7) -> None:
    """One row a second, each with a label an hour later. Ids are out of order."""
    for parent in ("prediction_log", "label"):
        execute(store, "SELECT ensure_partition(%(parent)s, '2011-02-01')", parent=parent)
    for place, row in enumerate(rows):
        execute(
            store,
            "INSERT INTO prediction_log (model, id, input, created_at)"
            " VALUES ('m', %(id)s, %(row)s, '2011-02-01'::timestamptz + %(place)s * interval '1 second')",
            id=f'i{-place}, "é"',
            row=json.dumps(row),
            place=place // 2,
        )
        put_label(store, f'i{-place}, "é"', label, "2011-02-01 01:00")


def put_label(store: Store, identity: str, label: Any, observed_at: str) -> None:
    execute(
        store,
        "INSERT INTO label (model, id, label, observed_at) VALUES ('m', %(id)s, %(label)s, %(at)s)",
        id=identity,
        label=json.dumps(label),
        at=f"{observed_at}+00",
    )


def read(store: Store, spec: ModelSpec = SPEC, **bounds: str) -> KnownRows:
    return read_known_rows(Settings(store_dsn=store.dsn), spec, **bounds)


def read_as_sql(store: Store, spec: ModelSpec = SPEC, **bounds: str) -> pd.DataFrame:
    """The same through JSON, row by row."""
    every = {"model": "m", "as_of": "infinity", "since": "-infinity", "label_delay": spec.label.delay}
    rows = store.fetch("training/dataset", **{**every, **bounds})
    frame = frame_from_rows(spec, [row["input"] for row in rows])
    frame.insert(0, "id", pd.Series([row["id"] for row in rows], dtype="str"))
    moments = pd.to_datetime([row["created_at"] for row in rows], utc=True)
    frame.insert(1, "created_at", moments.astype("datetime64[us, UTC]"))
    return frame.assign(label=np.array([row["label"] for row in rows], dtype="float64"))


def test_every_value_is_read_as_serving_reads_it(store: Store) -> None:
    put_rows(store, [ROW, *ODD] * 3)
    pd.testing.assert_frame_equal(read(store).frame, read_as_sql(store))
    assert len(read(store).frame) == 15


def test_a_moment_knows_the_newest_label_of_then(store: Store) -> None:
    put_rows(store, [ROW, *ODD])
    put_label(store, 'i0, "é"', 9, "2011-02-01 02:00")
    put_label(store, 'i0, "é"', 8, "2011-02-01 03:00")
    put_label(store, 'i-1, "é"', 5, "2011-02-02 00:00")
    put_label(store, "of no row", 5, "2011-02-01 00:00")
    execute(store, "DELETE FROM label WHERE id LIKE 'i-2,%%'", none=None)
    for as_of, labels in (
        ("2011-02-01 00:59+00", []),
        ("2011-02-01 01:00+00", [7, 7, 7, 7]),
        ("2011-02-01 02:30+00", [7, 9, 7, 7]),
        ("2011-02-01 03:00+00", [7, 8, 7, 7]),
        ("infinity", [5, 8, 7, 7]),
    ):
        frame = read(store, as_of=as_of).frame
        assert list(frame["label"]) == labels, as_of
        pd.testing.assert_frame_equal(frame, read_as_sql(store, as_of=as_of))
    since = "2011-02-01 00:00:01+00"
    assert list(read(store, since=since).frame["id"]) == ['i-3, "é"', 'i-4, "é"']
    assert list(read(store, since=since, as_of="2011-02-01 00:00:02+00").frame["id"]) == []


def test_a_row_waits_until_its_label_is_due(store: Store) -> None:
    put_rows(store, [ROW, *ODD])  # two rows a second, with labels after an hour
    spec = SPEC.model_copy(update={"label": SPEC.label.model_copy(update={"expected_delay_hours": 1.5})})
    for as_of, count in (("01:29:59", 0), ("01:30:00", 2), ("01:30:01", 4), ("01:30:02", 5)):
        frame = read(store, spec, as_of=f"2011-02-01 {as_of}+00").frame
        assert len(frame) == count, as_of
        pd.testing.assert_frame_equal(frame, read_as_sql(store, spec, as_of=f"2011-02-01 {as_of}+00"))
    assert len(read(store, spec).frame) == 5


@pytest.mark.parametrize(
    ("kind", "labels", "newest"),
    [("integer", [7, 10, 9], 9), ("category", ["b", "B", "a"], "a"), ("boolean", [True, False], False)],
)
def test_of_labels_of_one_moment_the_last_to_arrive_counts(
    store: Store, kind: str, labels: list[Any], newest: Any
) -> None:
    put_rows(store, [ROW], labels[0])
    for label in labels[1:]:
        put_label(store, 'i0, "é"', label, "2011-02-01 01:00")
    execute(store, "UPDATE label SET received_at = %(at)s", at="2011-02-01 02:00+00")
    spec = SPEC.model_copy(update={"label": SPEC.label.model_copy(update={"type": kind})})
    assert list(read(store, spec).frame["label"]) == [newest]


@pytest.mark.parametrize(
    ("kind", "label", "dtype"),
    [("integer", 2**40, "int64"), ("boolean", True, "bool"), ("category", 'a "word"', "object")],
)
def test_a_label_has_the_type_of_the_spec(store: Store, kind: str, label: Any, dtype: str) -> None:
    put_rows(store, [ROW], label)
    spec = SPEC.model_copy(update={"label": SPEC.label.model_copy(update={"type": kind})})
    column = read(store, spec).frame["label"]
    assert (column.dtype.name, list(column)) == (dtype, [label])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": "three"}, "count is 'three', allowed: an integer"),
        ({"count": 3.5}, "count is 3.5, allowed: an integer"),
        ({"count": 2**63}, "count is '9223372036854775808', allowed: an integer"),
        ({"count": None}, "count is None, allowed: an integer"),
        ({"size": "NaN"}, "size is 'NaN', allowed: a finite number"),
        ({"size": ""}, "size is '', allowed: a finite number"),
        ({"100% 'odd'": "Infinity"}, "100% 'odd' is 'Infinity', allowed: a finite number"),
        ({"flag": 1}, "flag is 1, allowed: true or false"),
        ({"flag": None}, "flag is None, allowed: true or false"),
        ({"words": None}, "words is None, allowed: a text"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_row(store: Store, change: dict[str, Any], words: str) -> None:
    put_rows(store, [ROW, {**ROW, **change}])
    with pytest.raises(DataError) as raised:
        read(store)
    assert str(raised.value).startswith(f'm: row i-1, "é": {words}')


@pytest.mark.parametrize("label", ["seven", True, None])
def test_a_label_of_another_type_is_named_with_its_row(store: Store, label: Any) -> None:
    put_rows(store, [ROW], label)
    with pytest.raises(DataError, match=f'm: row i0, "é": y is {label!r}, allowed: a finite number'):
        read(store)


def test_no_rows_are_an_empty_frame_of_the_same_types(store: Store) -> None:
    empty = read(store).frame
    put_rows(store, [ROW])
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == read(store).frame.dtypes.to_dict()


def test_a_fingerprint_follows_content_and_bounds(store: Store) -> None:
    put_rows(store, [ROW, *ODD])
    first = read(store).fingerprint
    assert read(store).fingerprint == first
    assert read(store, since="2011-01-01").fingerprint != first
    execute(store, "UPDATE prediction_log SET input = input || '{\"extra\": 1}' WHERE id LIKE 'i0,%%'", none=None)
    assert read(store).fingerprint == first
    seen = {first}
    for change in ('{"words": "other"}', '{"note": null}', '{"count": 4}', '{"flag": false}', '{"unsure": false}'):
        statement = "UPDATE prediction_log SET input = input || %(change)s::jsonb WHERE id LIKE 'i0,%%'"
        execute(store, statement, change=change)
        seen.add(read(store).fingerprint)
    put_label(store, 'i0, "é"', 8, "2011-02-01 03:00")
    seen.add(read(store).fingerprint)
    assert len(seen) == 7


def test_the_processes_that_read_rows_also_take_them_apart(store: Store) -> None:
    execute(store, "SELECT ensure_partition('prediction_log', '2011-02-01')")
    execute(
        store,
        "INSERT INTO prediction_log (model, id, input, created_at)"
        " SELECT 'm', n::text, '{}', '2011-02-01'::timestamptz + n * interval '1 second'"
        " FROM generate_series(1, 2000) AS n",
    )
    execute(store, "ANALYZE prediction_log")
    assert explain_rows(store)["Node Type"] == "Gather"


def explain_rows(store: Store) -> dict[str, Any]:
    """The outermost step of the plan that reads the rows, where even a small table is worth several processes."""
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        transaction.fetch("training/parallel_prefer")
        cursor.execute("SET LOCAL min_parallel_table_scan_size = 0")
        columns = transaction.list_fields("input", SPEC.feature_names)
        parameters = {**build_parameters(SPEC, "infinity", "-infinity"), "columns": columns}
        copy = cursor.mogrify(load_statement(ROWS), parameters).decode()
        select = copy[copy.index("COPY (") + len("COPY (") : copy.rindex(") TO STDOUT")]
        cursor.execute(f"EXPLAIN (FORMAT json) {select}")
        step: dict[str, Any] = cursor.fetchall()[0][0][0]["Plan"]
        return step


@pytest.mark.parametrize(("loaded", "late", "newest"), [(6, 4, 5), (30, 25, 33), (6, 40, 45)])
def test_early_labels_of_one_kind_lead_no_dataset_between_two_loads(
    store: Store, loaded: int, late: int, newest: int
) -> None:
    """Frauds are known at once, the others by the load of each week.

    At most three weeks wait for it, and none where few labels have become usual.
    """
    label = Label(name="y", type="boolean", expected_delay_hours=0, load_every_days=7)
    spec = ModelSpec(name="m", task="binary", features=(Feature(name="count", type="integer"),), label=label)
    put_frauds(store, loaded + late, loaded_until=loaded)
    begin = datetime(2011, 2, 1, tzinfo=UTC)
    frame = read_known_rows(
        Settings(store_dsn=store.dsn), spec, f"{begin + timedelta(days=loaded + late):%Y-%m-%d}"
    ).frame
    assert (frame["created_at"].max() - begin).days == newest
    whole = frame[frame["created_at"] < begin + timedelta(days=loaded)]
    assert (len(whole), whole["label"].mean()) == (10 * loaded, 0.1)


def put_frauds(store: Store, days: int, loaded_until: int) -> None:
    """Ten rows a day, of which one is a fraud. Other labels are there of days before `loaded_until` only."""
    for parent in ("prediction_log", "label"):
        for month in ("2011-02-01", "2011-03-01"):
            execute(store, "SELECT ensure_partition(%(parent)s, %(month)s)", parent=parent, month=month)
    made = (
        " FROM generate_series(0, %(days)s - 1) AS day, generate_series(0, 9) AS row,"
        " LATERAL (SELECT '2011-02-01'::timestamptz + day * interval '1 day' + row * interval '1 hour' AS at) AS moment"
    )
    execute(
        store,
        "INSERT INTO prediction_log (model, id, input, created_at)"
        f" SELECT 'm', day || '-' || row, jsonb_build_object('count', row), at {made}",
        days=days,
    )
    execute(
        store,
        f"INSERT INTO label (model, id, label, observed_at) SELECT 'm', day || '-' || row, to_jsonb(row = 0), at {made}"
        " WHERE row = 0 OR day < %(loaded)s",
        days=days,
        loaded=loaded_until,
    )
