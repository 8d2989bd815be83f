"""The prediction log against a real Postgres, without a service around it."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bento_service.labels import store_labels
from bento_service.log_writer import Flush, Instance, LogRow, LogWriter
from bento_service.prediction_log import PredictionLog
from bento_service.request_stats import LATENCY_BOUNDS_MS, RequestStats
from cyclone.errors import StoreError
from cyclone.store import Store

START = datetime(2011, 1, 31, 23, 30, tzinfo=UTC)
INSTANCE = Instance("bike-demand-v1-one", "bike_demand", 1, "bike-demand-v1", START)
NOBODY = "postgresql://postgres@127.0.0.1:9/cyclone"


def make_row(id_: str, sequence: int = 0, created_at: datetime = START, text: str = "x") -> LogRow:
    return LogRow(id_, created_at, 1.5, json.dumps({"note": text}), "2.5", sequence)


def make_flush(number: int, *rows: LogRow, buckets: Any = (), is_stopped: bool = False) -> Flush:
    handed_over = max((row.sequence for row in rows), default=0)
    return Flush(number, rows, buckets, handed_over, dropped=0, is_stopped=is_stopped)


def read_log(store: Store) -> list[tuple[Any, ...]]:
    return run(store, "SELECT id, sequence, instance_id FROM prediction_log ORDER BY id")


def read_ledger(store: Store) -> dict[str, Any]:
    columns = ("handed_over", "stored", "dropped", "repeated", "unaccounted", "is_stopped")
    (row,) = run(store, f"SELECT {', '.join(columns)} FROM log_completeness")
    return dict(zip(columns, row, strict=True))


def run(store: Store, statement: str) -> list[tuple[Any, ...]]:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def writer(store: Store) -> Iterator[LogWriter]:
    made = LogWriter(store.dsn, INSTANCE)
    yield made
    made.close()


def test_the_histograms_bounds_are_those_of_the_store(store: Store) -> None:
    bounds = [upper for (upper,) in run(store, "SELECT upper_ms FROM latency_bound ORDER BY bin")]
    assert bounds == [*LATENCY_BOUNDS_MS, float("inf")]


def test_a_row_is_stored_as_it_was_answered(store: Store, writer: LogWriter) -> None:
    text = 'a,"b"\n\\.\r\n\té\\N'
    outcome = writer.write(make_flush(1, make_row("né,w", 1, text=text)))
    assert (outcome.stored, outcome.repeated, outcome.refused) == (1, 0, [])
    (row,) = run(
        store,
        "SELECT model, id, version, revision, instance_id, sequence, input, prediction, latency_ms, created_at"
        " FROM prediction_log",
    )
    assert row == (
        *("bike_demand", "né,w", 1, "bike-demand-v1", "bike-demand-v1-one", 1),
        *({"note": text}, 2.5, 1.5, START),
    )


def test_a_batch_spans_months_and_each_row_finds_its_partition(store: Store, writer: LogWriter) -> None:
    february = datetime(2011, 2, 1, tzinfo=UTC)
    writer.write(make_flush(1, make_row("a", 1), make_row("b", 2, february)))
    assert run(store, "SELECT tableoid::regclass::text FROM prediction_log ORDER BY id") == [
        ("prediction_log_201101",),
        ("prediction_log_201102",),
    ]


def test_a_repeated_id_is_the_same_prediction(store: Store, writer: LogWriter) -> None:
    later = datetime(2011, 3, 1, tzinfo=UTC)
    writer.write(make_flush(1, make_row("a", 1), make_row("a", 2, later), make_row("b", 3)))
    outcome = writer.write(make_flush(2, make_row("a", 4, later), make_row("c", 5)))
    assert (outcome.stored, outcome.repeated) == (1, 1)
    assert [row[:2] for row in read_log(store)] == [("a", 1), ("b", 3), ("c", 5)]
    assert read_ledger(store) == {
        "handed_over": 5,
        "stored": 3,
        "dropped": 0,
        "repeated": 2,
        "unaccounted": 0,
        "is_stopped": False,
    }


def test_a_flush_sent_again_after_a_lost_answer_changes_nothing(store: Store) -> None:
    stats = RequestStats()
    stats.add(START, 200, 3.0)
    flush = make_flush(1, make_row("a", 1), make_row("a", 2), buckets=tuple(stats.take()), is_stopped=True)
    for _ in range(2):  # a writer that does not know of its success has not counted it either
        writer = LogWriter(store.dsn, INSTANCE)
        outcome = writer.write(flush)
        writer.close()
    assert (outcome.stored, outcome.repeated) == (0, 1)
    assert [row[:2] for row in read_log(store)] == [("a", 1)]
    assert read_ledger(store)["unaccounted"] == 0
    assert run(store, "SELECT requests, latency_counts[3], latency_ms_sum FROM request_stat") == [(1, 1, 3.0)]


def test_a_row_that_postgres_refuses_does_not_hold_up_its_neighbours(store: Store, writer: LogWriter) -> None:
    rows = [make_row(str(number), number) for number in range(1, 10)]
    rows[3] = make_row("poison", 4, text="a\0b")  # JSON's \u0000, which jsonb refuses
    outcome = writer.write(make_flush(1, *rows))
    assert (outcome.stored, [row.id for row in outcome.refused]) == (8, ["poison"])
    assert read_ledger(store) == {
        "handed_over": 9,
        "stored": 8,
        "dropped": 1,
        "repeated": 0,
        "unaccounted": 0,
        "is_stopped": False,
    }


def test_rows_find_a_new_partition_when_theirs_was_dropped(store: Store) -> None:
    log = PredictionLog(store.dsn, INSTANCE)
    log.hand_over([make_row("a")])
    log.start()
    wait_for_rows(store, 1)
    run(store, "DROP TABLE prediction_log_201101")
    log.hand_over([make_row("b")])
    assert log.close(deadline_seconds=20)
    assert [row[0] for row in read_log(store)] == ["b"]


def test_what_is_queued_at_the_end_is_stored_and_signed_off(store: Store) -> None:
    log = PredictionLog(store.dsn, INSTANCE)
    log.start()
    log.hand_over([make_row(f"{number:05}") for number in range(12_000)])
    log.count_request(START, 200, 1.0)
    assert log.close(deadline_seconds=60)
    assert read_ledger(store) == {
        "handed_over": 12_000,
        "stored": 12_000,
        "dropped": 0,
        "repeated": 0,
        "unaccounted": 0,
        "is_stopped": True,
    }
    assert run(store, "SELECT sum(requests) FROM request_stat") == [(1,)]


def test_the_newest_rows_are_dropped_and_counted_when_the_queue_is_full(store: Store) -> None:
    log = PredictionLog(store.dsn, INSTANCE, queue_bytes=2000)
    log.hand_over([make_row(str(number)) for number in range(10)])
    log.start()
    assert log.close(deadline_seconds=20)
    assert [row[:2] for row in read_log(store)] == [(str(number), number + 1) for number in range(4)]
    assert read_ledger(store) == {
        "handed_over": 10,
        "stored": 4,
        "dropped": 6,
        "repeated": 0,
        "unaccounted": 0,
        "is_stopped": True,
    }


def test_a_log_whose_store_stays_away_ends_in_time_and_says_so() -> None:
    log = PredictionLog(NOBODY, INSTANCE)
    log.start()
    log.hand_over([make_row("a")])
    assert not log.close(deadline_seconds=1)


def test_two_instances_that_share_ids_store_each_id_once(store: Store) -> None:
    other = Instance("bike-demand-v1-two", "bike_demand", 1, "bike-demand-v1", START)
    logs = [PredictionLog(store.dsn, instance) for instance in (INSTANCE, other)]
    for log, order in zip(logs, (range(500), reversed(range(500))), strict=True):
        log.hand_over([make_row(str(number)) for number in order])
        log.start()
    assert [log.close(deadline_seconds=60) for log in logs] == [True, True]
    assert run(store, "SELECT count(*), count(DISTINCT id) FROM prediction_log") == [(500, 500)]
    assert run(store, "SELECT sum(repeated), sum(unaccounted) FROM log_completeness") == [(500, 0)]


def test_labels_are_kept_once_with_their_history(store: Store) -> None:
    noon = datetime(2011, 1, 2, 12, tzinfo=UTC)
    dated = [{"id": "a", "label": 3, "observed_at": noon}]
    undated = [{"id": "b", "label": 4, "observed_at": None}]
    changed = [{"id": "b", "label": 5, "observed_at": None}]
    for number, labels in enumerate([dated, dated, undated, undated, changed, changed, undated]):
        counts = store_labels(store, "bike_demand", labels, noon.replace(minute=number))
        assert counts == {"accepted": 1, "unknown_so_far": 1}
    assert run(store, "SELECT id, label, extract(minute FROM observed_at) FROM label ORDER BY id, observed_at") == [
        ("a", 3, 0),
        ("b", 4, 2),
        ("b", 5, 4),
        ("b", 4, 6),
    ]


def test_labels_without_a_store_are_an_error() -> None:
    with pytest.raises(StoreError, match="does not answer"):
        store_labels(Store(NOBODY), "bike_demand", [{"id": "a", "label": 1, "observed_at": None}], START)


def wait_for_rows(store: Store, count: int, deadline_seconds: float = 30) -> None:
    deadline = time.monotonic() + deadline_seconds
    while len(read_log(store)) < count:
        assert time.monotonic() < deadline, f"{len(read_log(store))} of {count} rows are stored"
        time.sleep(0.02)
