"""The prediction log against a real Postgres, without a service around it."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bento_service.log.log_writer import Flush, LogWriter, find_hour
from bento_service.log.prediction_log import PredictionLog
from bento_service.log.request_stats import LATENCY_BOUNDS_MS, RequestStats
from bento_service.log.spool_folder import Instance, SpoolBase
from bento_service.log.spooled_rows import LogRow
from cyclone.errors import StoreError
from cyclone.rows.labels import add_labels
from cyclone.store import Store
from tests.support.statements import execute

START = datetime(2011, 1, 31, 23, 30, tzinfo=UTC)
HOUR = datetime(2011, 1, 31, 23, tzinfo=UTC)
INSTANCE = Instance("bike-demand-v1-one", "bike_demand", 1, "bike-demand-v1", START)
NOBODY = "postgresql://postgres@127.0.0.1:9/cyclone"


def make_row(id_: str, created_at: datetime = START, text: str = "x") -> LogRow:
    return LogRow(id_, created_at, 1.5, json.dumps({"note": text}), "2.5")


def make_flush(number: int, rows: dict[int, LogRow], buckets: Any = (), is_stopped: bool = False) -> Flush:
    """The rows by their sequence numbers, all that wait."""
    lines = tuple(row.to_line(sequence).encode() for sequence, row in rows.items())
    pending = Counter(find_hour(row.created_at) for row in rows.values())
    return Flush(number, lines, pending, {}, max(rows, default=0), buckets=buckets, is_stopped=is_stopped)


def read_log(store: Store) -> list[tuple[Any, ...]]:
    return execute(store, "SELECT id, sequence, instance_id FROM prediction_log ORDER BY id")


def read_ledger(store: Store) -> dict[str, Any]:
    """The only instance's counts, without those that are zero."""
    outcomes = ("stored", "dropped", "repeated", "conflicting", "set_aside", "unaccounted")
    columns = ("handed_over", *outcomes, "torn_bytes", "is_stopped")
    (row,) = execute(store, f"SELECT {', '.join(columns)} FROM log_completeness")
    return {column: value for column, value in zip(columns, row, strict=True) if value}


def read_windows(store: Store) -> list[tuple[Any, ...]]:
    return execute(
        store,
        "SELECT window_start, expected, stored, repeated, dropped, set_aside, pending FROM log_window_completeness"
        " ORDER BY window_start",
    )


@pytest.fixture
def writer(store: Store) -> Iterator[LogWriter]:
    made = LogWriter(store.dsn, INSTANCE)
    yield made
    made.close()


def test_the_histograms_bounds_are_those_of_the_store(store: Store) -> None:
    bounds = [upper for (upper,) in execute(store, "SELECT upper_ms FROM latency_bound ORDER BY bin")]
    assert bounds == [*LATENCY_BOUNDS_MS, float("inf")]


@pytest.fixture
def base(tmp_path: Path) -> SpoolBase:
    return SpoolBase(tmp_path)


def test_a_row_is_stored_as_it_was_answered(store: Store, writer: LogWriter) -> None:
    text = 'a,"b"\n\\.\r\n\té\\N\x01\x02'
    outcome = writer.write(make_flush(1, {1: make_row('n"é,w', text=text)}))
    assert (outcome.stored, outcome.repeated, outcome.refused) == (1, 0, [])
    (row,) = execute(
        store,
        "SELECT model, id, version, revision, instance_id, sequence, input, prediction, latency_ms, created_at"
        " FROM prediction_log",
    )
    assert row == (
        *("bike_demand", 'n"é,w', 1, "bike-demand-v1", "bike-demand-v1-one", 1),
        *({"note": text}, 2.5, 1.5, START),
    )


def test_json_over_several_lines_is_one_row(store: Store, writer: LogWriter) -> None:
    row = LogRow("a", START, 1.0, '{\n  "note":\r\n  "x"\n}', "2.5")
    assert writer.write(make_flush(1, {1: row})).stored == 1
    assert execute(store, "SELECT input FROM prediction_log") == [({"note": "x"},)]


def test_a_batch_spans_months_and_each_row_is_stored(store: Store, writer: LogWriter) -> None:
    february = datetime(2011, 2, 1, tzinfo=UTC)
    writer.write(make_flush(1, {1: make_row("a"), 2: make_row("b", february)}))
    assert execute(store, "SELECT id FROM prediction_log ORDER BY id") == [("a",), ("b",)]
    assert read_windows(store) == [(HOUR, 1, 1, 0, 0, 0, 0), (february, 1, 1, 0, 0, 0, 0)]


def test_a_repeated_id_is_the_same_prediction(store: Store, writer: LogWriter) -> None:
    later = datetime(2011, 3, 1, tzinfo=UTC)
    writer.write(make_flush(1, {1: make_row("a"), 2: make_row("a", later), 3: make_row("b")}))
    outcome = writer.write(make_flush(2, {4: make_row("a", later), 5: make_row("c")}))
    assert (outcome.stored, outcome.repeated) == (1, 1)
    assert [row[:2] for row in read_log(store)] == [("a", 1), ("b", 3), ("c", 5)]
    assert read_ledger(store) == {"handed_over": 5, "stored": 3, "repeated": 2}
    assert read_windows(store) == [(HOUR, 3, 3, 0, 0, 0, 0), (later, 2, 0, 2, 0, 0, 0)]


def test_an_id_that_comes_with_another_row_is_a_conflict_and_its_row_is_missing(
    store: Store, writer: LogWriter
) -> None:
    later = datetime(2011, 3, 1, tzinfo=UTC)
    first = writer.write(make_flush(1, {1: make_row("a"), 2: make_row("a", text="y"), 3: make_row("b")}))
    assert (first.stored, first.repeated, first.conflicting, first.conflicting_ids) == (2, 0, 1, ["a"])
    rows = {4: make_row("a", later), 5: make_row("a", later, text="z"), 6: make_row("b", text="z"), 7: make_row("c")}
    outcome = writer.write(make_flush(2, rows))
    assert (outcome.stored, outcome.repeated, outcome.conflicting) == (1, 1, 2)
    assert sorted(outcome.conflicting_ids) == ["a", "b"]
    assert [row[:2] for row in read_log(store)] == [("a", 1), ("b", 3), ("c", 7)]
    assert read_ledger(store) == {"handed_over": 7, "stored": 3, "repeated": 1, "conflicting": 3}
    assert read_windows(store) == [(HOUR, 5, 3, 0, 0, 0, 0), (later, 2, 0, 1, 0, 0, 0)]
    completeness = "SELECT completeness, conflicting FROM log_window_completeness ORDER BY window_start"
    assert execute(store, completeness) == [(0.6, 2), (0.5, 1)]
    writer.write(make_flush(2, rows))
    assert read_ledger(store) == {"handed_over": 7, "stored": 3, "repeated": 1, "conflicting": 3}


@pytest.mark.parametrize(
    ("first", "again", "conflicting"),
    [
        ('{"a":1,"b":"x"}', '{"b":"x","a":1.0}', 0),
        ('{"a":1,"b":null}', '{"a":1}', 0),
        ('{"a":1}', '{"a":2}', 1),
        ('{"a":-1}', '{"a":-2}', 1),
        ('{"a":1}', '{"a":"1"}', 1),
        ('{"a":true}', '{"a":1}', 1),
        ('{"a":1}', '{"a":1,"b":2}', 1),
    ],
)
def test_rows_are_the_same_when_their_values_are(
    store: Store, writer: LogWriter, first: str, again: str, conflicting: int
) -> None:
    writer.write(make_flush(1, {1: LogRow("a", START, 1.0, first, "2.5")}))
    outcome = writer.write(make_flush(2, {2: LogRow("a", START, 1.0, again, "2.5")}))
    assert (outcome.repeated, outcome.conflicting) == (1 - conflicting, conflicting)
    # Rows that were stored before hashes were kept are compared themselves.
    execute(store, "UPDATE prediction_id SET row_hash = NULL")
    outcome = writer.write(make_flush(3, {3: LogRow("a", START, 1.0, again, "2.5")}))
    assert (outcome.repeated, outcome.conflicting) == (1 - conflicting, conflicting)


def test_an_id_whose_row_is_not_kept_any_more_still_belongs_to_it(store: Store, writer: LogWriter) -> None:
    writer.write(make_flush(1, {1: make_row("a")}))
    execute(store, "TRUNCATE prediction_log")
    outcome = writer.write(make_flush(2, {2: make_row("a"), 3: make_row("a", text="y")}))
    assert (outcome.stored, outcome.repeated, outcome.conflicting) == (0, 1, 1)


def test_a_conflict_with_a_row_that_another_instance_commits_meanwhile_is_found(
    store: Store, writer: LogWriter
) -> None:
    outcomes = []
    second = threading.Thread(target=lambda: outcomes.append(writer.write(make_flush(1, {1: make_row("a", text="y")}))))
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        hashed = "SELECT 'bike_demand', 'a', %s, jsonb_hash_extended('{\"note\": \"x\"}', 0)"
        cursor.execute(f"INSERT INTO prediction_id {hashed}", (START,))
        second.start()
        second.join(0.5)
        assert second.is_alive()
    second.join(20)
    assert (outcomes[0].stored, outcomes[0].repeated, outcomes[0].conflicting) == (0, 0, 1)


def test_a_flush_sent_again_after_a_lost_answer_changes_nothing(store: Store) -> None:
    stats = RequestStats()
    stats.add(START, 200, 3.0)
    rows = {1: make_row("a"), 2: make_row("a"), 3: make_row("poison", text="\0")}
    flush = make_flush(1, rows, buckets=tuple(stats.take()), is_stopped=True)
    outcomes = []
    for _ in range(2):
        writer = LogWriter(store.dsn, INSTANCE)
        outcome = writer.write(flush)
        outcomes.append((outcome.stored, outcome.repeated, len(outcome.refused), outcome.hours))
        writer.close()
    assert outcomes == [(1, 1, 1, {HOUR: 3}), (0, 0, 0, {HOUR: 3})]
    assert [row[:2] for row in read_log(store)] == [("a", 1)]
    assert read_ledger(store) == {"handed_over": 3, "stored": 1, "repeated": 1, "set_aside": 1, "is_stopped": True}
    assert read_windows(store) == [(HOUR, 3, 1, 1, 0, 1, 0)]
    assert execute(store, "SELECT requests, latency_counts[3], latency_ms_sum FROM request_stat") == [(1, 1, 3.0)]


def test_a_row_that_postgres_refuses_is_set_aside_and_does_not_hold_up_its_neighbours(
    store: Store, writer: LogWriter
) -> None:
    rows = {number: make_row(str(number)) for number in range(1, 10)}
    rows[4] = make_row("poison", text="a\0b")  # JSON's \u0000, which jsonb refuses
    rows[7] = LogRow("deep", START, 1.0, "[" * 50_000 + "]" * 50_000, "1")
    outcome = writer.write(make_flush(1, rows))
    assert (outcome.stored, [row.id for row in outcome.refused]) == (7, ["poison", "deep"])
    assert read_ledger(store) == {"handed_over": 9, "stored": 7, "set_aside": 2}
    assert read_windows(store) == [(HOUR, 9, 7, 0, 0, 2, 0)]
    poison, deep = execute(store, "SELECT sequence, row_text, reason FROM set_aside_row ORDER BY sequence")
    assert poison[0] == 4
    assert json.loads(poison[1])["input"] == {"note": "a\0b"}
    assert poison[2] == "22P05: unsupported Unicode escape sequence"
    assert (deep[0], deep[2]) == (7, "54001: stack depth limit exceeded")


def test_rows_find_a_new_partition_when_theirs_was_dropped(store: Store, base: SpoolBase) -> None:
    log = PredictionLog(store.dsn, INSTANCE, base)
    log.hand_over([make_row("a")])
    log.start()
    wait_for_rows(store, 1)
    execute(store, "DROP TABLE prediction_log_past")
    log.hand_over([make_row("b")])
    assert log.close(deadline_seconds=20)
    assert [row[0] for row in read_log(store)] == ["b"]


def test_what_waits_at_the_end_is_stored_and_signed_off_and_its_spool_deleted(store: Store, base: SpoolBase) -> None:
    log = PredictionLog(store.dsn, INSTANCE, base)
    log.start()
    log.hand_over([make_row(f"{number:05}") for number in range(12_000)])
    log.count_request(START, 200, 1.0)
    assert log.close(deadline_seconds=60)
    assert read_ledger(store) == {"handed_over": 12_000, "stored": 12_000, "is_stopped": True}
    assert execute(store, "SELECT sum(requests) FROM request_stat") == [(1,)]
    assert list(base.path.iterdir()) == []


def test_the_newest_rows_are_dropped_and_counted_when_the_spool_is_full(
    store: Store, base: SpoolBase, caplog: pytest.LogCaptureFixture
) -> None:
    log = PredictionLog(store.dsn, INSTANCE, base, limit_bytes=600)
    later = START.replace(hour=12, minute=0)
    assert [log.hand_over([make_row(str(number))]) for number in range(10)] == [1, 2, 3, 4] + [None] * 6
    assert log.hand_over([make_row("x", later)]) is None
    log.start()
    assert log.close(deadline_seconds=20)
    assert [row[:2] for row in read_log(store)] == [(str(number), number + 1) for number in range(4)]
    assert read_ledger(store) == {"handed_over": 11, "stored": 4, "dropped": 7, "is_stopped": True}
    assert read_windows(store) == [(later, 1, 0, 0, 1, 0, 0), (HOUR, 10, 4, 0, 6, 0, 0)]
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told == ["prediction log: 7 answered rows are not in it, for the spool was full"]


def test_there_is_room_again_when_the_spool_was_sent(store: Store, base: SpoolBase) -> None:
    log = PredictionLog(store.dsn, INSTANCE, base, limit_bytes=1200)
    for number in range(10):
        log.hand_over([make_row(str(number))])
    log.start()
    wait_for_rows(store, 8)
    assert [log.hand_over([make_row(str(number))]) for number in range(10, 14)] == [9, 10, 11, 12]
    assert log.close(deadline_seconds=20)
    assert read_ledger(store) == {"handed_over": 14, "stored": 12, "dropped": 2, "is_stopped": True}


def test_a_log_whose_store_stays_away_ends_in_time_and_the_next_start_sends_its_rows(
    store: Store, base: SpoolBase
) -> None:
    log = PredictionLog(NOBODY, INSTANCE, base, limit_bytes=600)
    log.start()
    log.hand_over([make_row("a"), make_row("b")])
    assert log.hand_over([make_row("c"), make_row("d"), make_row("e")]) is None
    assert not log.close(deadline_seconds=1)
    successor = replace(INSTANCE, instance_id="bike-demand-v1-two")
    following = PredictionLog(store.dsn, successor, base)
    following.start()
    wait_for_rows(store, 2)
    assert following.close(deadline_seconds=20)
    assert [row[2] for row in read_log(store)] == [INSTANCE.instance_id] * 2
    columns = "instance_id, handed_over, stored, dropped, unaccounted, is_stopped"
    assert execute(store, f"SELECT {columns} FROM log_completeness ORDER BY 1") == [
        (INSTANCE.instance_id, 5, 2, 3, 0, True),
        (successor.instance_id, 0, 0, 0, 0, True),
    ]
    assert list(base.path.iterdir()) == []


def test_two_instances_that_share_ids_store_each_id_once(store: Store, base: SpoolBase) -> None:
    other = replace(INSTANCE, instance_id="bike-demand-v1-two")
    logs = [PredictionLog(store.dsn, instance, base) for instance in (INSTANCE, other)]
    for log, order in zip(logs, (range(500), reversed(range(500))), strict=True):
        log.hand_over([make_row(str(number)) for number in order])
        log.start()
    assert [log.close(deadline_seconds=60) for log in logs] == [True, True]
    assert execute(store, "SELECT count(*), count(DISTINCT id) FROM prediction_log") == [(500, 500)]
    assert execute(store, "SELECT sum(repeated), sum(unaccounted) FROM log_completeness") == [(500, 0)]
    assert read_windows(store) == [(HOUR, 1000, 500, 500, 0, 0, 0)]


def test_what_waits_is_expected_in_its_window_while_it_is_not_stored(store: Store, writer: LogWriter) -> None:
    first, second = make_row("a"), make_row("b")
    flush = replace(make_flush(1, {1: first}), pending={HOUR: 2}, last_sequence=2)
    writer.write(flush)
    assert read_windows(store) == [(HOUR, 2, 1, 0, 0, 0, 1)]
    assert read_ledger(store) == {"handed_over": 2, "stored": 1, "unaccounted": 1}
    writer.write(make_flush(2, {2: second}))
    assert read_windows(store) == [(HOUR, 2, 2, 0, 0, 0, 0)]


def test_committed_rows_are_stored_when_their_answer_may_leave(store: Store, base: SpoolBase) -> None:
    log = PredictionLog(store.dsn, INSTANCE, base, is_committed=True)
    log.start()

    async def answer(number: int) -> bool:
        sequence = log.hand_over([make_row(str(number))])
        await log.wait_until_stored(sequence)
        return await asyncio.to_thread(execute, store, f"SELECT 1 FROM prediction_log WHERE id = '{number}'") == [(1,)]

    async def answer_many() -> list[bool]:
        return await asyncio.gather(*map(answer, range(50)))

    assert asyncio.run(answer_many()) == [True] * 50
    assert log.close(deadline_seconds=20)
    (flushes,) = execute(store, "SELECT count(DISTINCT xmin::text) FROM prediction_log")
    assert flushes[0] < 50  # answers share transactions


def test_committed_rows_make_do_with_the_spool_while_the_store_is_away(base: SpoolBase) -> None:
    log = PredictionLog(NOBODY, INSTANCE, base, is_committed=True)
    log.start()
    asyncio.run(log.wait_until_stored(log.hand_over([make_row("a")])))
    assert not log.close(deadline_seconds=1)


def test_labels_are_kept_once_with_their_history(store: Store) -> None:
    noon = datetime(2011, 1, 2, 12, tzinfo=UTC)
    dated = [{"id": "a", "label": 3, "observed_at": noon}]
    undated = [{"id": "b", "label": 4, "observed_at": None}]
    changed = [{"id": "b", "label": 5, "observed_at": None}]
    rounds = [dated, dated, undated, undated, changed, changed, undated]
    counts = [add_labels(store, "bike_demand", labels) for labels in rounds]
    assert [count["added"] for count in counts] == [1, 0, 1, 0, 1, 0, 1]
    assert all((count["count"], count["unknown_so_far"]) == (1, 1) for count in counts)
    kept = "SELECT id, label FROM label WHERE observed_at = %(noon)s OR id = 'b' ORDER BY arrival"
    found = execute(store, kept, noon=noon)
    assert found == [("a", 3), ("b", 4), ("b", 5), ("b", 4)]


def test_labels_without_a_store_are_an_error() -> None:
    with pytest.raises(StoreError, match="does not answer"):
        add_labels(Store(NOBODY), "bike_demand", [{"id": "a", "label": 1, "observed_at": None}])


def wait_for_rows(store: Store, count: int, deadline_seconds: float = 30) -> None:
    deadline = time.monotonic() + deadline_seconds
    while len(read_log(store)) < count:
        assert time.monotonic() < deadline, f"{len(read_log(store))} of {count} rows are stored"
        time.sleep(0.02)
