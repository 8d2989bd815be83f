"""Whatever order rows and labels come in, each counts once: beside open writers, restores, and other roll-ups."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from cyclone.__main__ import app
from cyclone.checks.rollups import RollupSummary, rebuild, roll_up
from cyclone.errors import StoreError
from cyclone.spec import ModelSpec
from cyclone.store import Store

NOON = datetime(2011, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = NOON.replace(hour=0)
"""The day on which the labels of most of these tests are known."""
TABLES = ("row_rollup", "feature_rollup", "error_rollup", "error_age_rollup", "confusion_rollup", "request_rollup")
CLASSES = ["a", "b", "c"]
Draw = Callable[[random.Random], Any]

pytestmark = pytest.mark.usefixtures("first_champion")


@pytest.fixture
def reference(insert: Any) -> None:
    edges = [None, 0.25, 0.5, 0.75]
    insert(
        "reference_bin",
        [{"feature": name, "bin": n, "lower_bound": edge, "count": 9} for name in "xy" for n, edge in enumerate(edges)],
    )


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(
    ("predict", "label"),
    [
        (lambda chance: chance.gauss(50, 20), lambda chance: chance.gauss(50, 20)),
        (lambda chance: chance.random(), lambda chance: chance.random() < 0.5),
        (lambda chance: dict(zip(CLASSES, (0.2, 0.5, 0.3), strict=True)), lambda chance: chance.choice(CLASSES)),
    ],
    ids=["regression", "binary", "multiclass"],
)
def test_pieces_in_any_order_give_the_rows_of_a_rebuild(
    store: Store, bike_demand: ModelSpec, insert: Any, predict: Draw, label: Draw
) -> None:
    """Six pieces. A third of the labels before their prediction, many corrected, hours that cross the sampling rate."""
    spec = _sample_above(bike_demand, 40)
    chance = random.Random(11)
    numbers = [chance.randrange(240) for _ in range(200)]
    for piece in range(6):
        insert("label", [_draw_label(chance, number, label) for number in numbers[piece::6]])
        insert("prediction_log", [_draw_row(chance, number, predict) for number in range(piece, 240, 6)])
        insert("request_stat", [_draw_requests(chance, piece * 10 + number) for number in range(5)])
        roll_up(store, spec)
    piecewise = _read_all(store)
    assert max(row[4] for row in piecewise["row_rollup"]) == 2
    assert roll_up(store, spec) == RollupSummary("bike_demand", feature_hours=0, error_changes=0)
    assert _read_all(store) == piecewise
    rebuild(store, spec)
    assert _read_all(store) == piecewise
    _run(store, f"TRUNCATE {', '.join(TABLES)}, rollup_watermark, label_waiting")
    roll_up(store, spec)
    assert _read_all(store) == piecewise


@pytest.mark.usefixtures("reference")
def test_rows_of_transactions_that_overlap_roll_ups_are_counted_once(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    statement = (
        "INSERT INTO prediction_log (model, id, version, input, created_at)"
        " VALUES ('bike_demand', %s, 1, '{\"x\": 0.3}', '2011-03-01T12:00Z')"
    )
    insert("prediction_log", [{"id": "first", "input": {"x": 0.3}, "created_at": NOON}])
    with store.transaction() as early, store.transaction() as late:
        with early.connection.cursor() as cursor:
            cursor.execute(statement, ("early",))
        roll_up(store, bike_demand)
        with late.connection.cursor() as cursor:
            cursor.execute(statement, ("late",))
        late.connection.commit()
        roll_up(store, bike_demand)
        assert _count(store, "x") == {1: 2}
    roll_up(store, bike_demand)
    roll_up(store, bike_demand)
    assert _count(store, "x") == {1: 3}


@pytest.mark.usefixtures("reference")
def test_roll_ups_at_the_same_time_count_no_row_twice(store: Store, bike_demand: ModelSpec, insert: Any) -> None:
    insert("prediction_log", [{"input": {"x": 0.9}, "created_at": NOON + n * HOUR} for n in range(50)])
    threads = [threading.Thread(target=roll_up, args=(store, bike_demand)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert _count(store, "x") == {3: 50}


@pytest.mark.usefixtures("reference")
def test_a_store_restored_on_a_server_that_is_further_on_is_recognised_too(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    """By its transactions alone the server could be the one of the dump, and rows of it would count as counted."""
    insert("prediction_log", [{"input": {"x": 0.9}, "created_at": NOON}])
    roll_up(store, bike_demand)
    _run(store, "UPDATE rollup_watermark SET counted_by = counted_by + 1")
    insert("prediction_log", [{"id": "new", "input": {"x": 0.9}, "created_at": NOON}])
    with pytest.raises(StoreError, match=r"restored from a dump.*cyclone rollups rebuild"):
        roll_up(store, bike_demand)
    rebuild(store, bike_demand)
    roll_up(store, bike_demand)
    assert _count(store, "x") == {3: 2}


@pytest.mark.usefixtures("reference")
def test_a_store_restored_from_a_dump_asks_for_a_rebuild_and_counts_on(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    insert("prediction_log", [{"input": {"x": 0.9}, "created_at": NOON, "stored_in": "4000000000"}])
    _run(store, "INSERT INTO rollup_watermark (model, counted) VALUES ('bike_demand', '4000000001:4000000001:')")
    with pytest.raises(StoreError, match=r"restored from a dump.*cyclone rollups rebuild"):
        roll_up(store, bike_demand)
    rebuild(store, bike_demand)
    assert _count(store, "x") == {3: 1}
    insert("prediction_log", [{"id": "new", "input": {"x": 0.9}, "created_at": NOON}])
    roll_up(store, bike_demand)
    assert _count(store, "x") == {3: 2}


@pytest.mark.usefixtures("reference")
def test_a_busy_hour_is_estimated_from_the_same_sample_however_it_came(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    spec = _sample_above(bike_demand, 200)
    rows = [{"id": f"row-{n}", "input": {"x": n % 4 / 4}, "created_at": NOON} for n in range(1200)]
    for piece in (rows[:40], rows[40:280], rows[280:]):
        insert("prediction_log", piece)
        roll_up(store, spec)
    assert [row[3:] for row in _read(store, "row_rollup")] == [(1200, 3)]
    estimates = _count(store, "x")
    sampled = sum(row[7] for row in _read(store, "feature_rollup") if row[2] == "x")
    assert sampled == sum(estimates.values()) / 8
    assert 100 < sampled < 200
    for estimate in estimates.values():  # four standard deviations of a binomial share, scaled up
        assert abs(estimate - 300) < 4 * 8 * (300 / 8) ** 0.5
    rebuild(store, spec)
    assert _count(store, "x") == estimates


def test_names_that_would_break_out_of_a_statement_are_counted_like_others(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    names = ["a'b", 'a"b', "a;--", "{brace}", "%(percent)s %", "größe 🚲", "\\", "x" * 60]
    bins = [{"feature": name, "bin": n, "lower_bound": n or None, "count": 1} for name in names for n in (0, 1)]
    texts = [{"feature": "text'", "bin": n, "category": text, "count": 1} for n, text in enumerate(["'", "%s", "{}"])]
    insert("reference_bin", [*bins, *texts])
    insert("prediction_log", [{"input": {**dict.fromkeys(names, 2), "text'": "%s"}, "created_at": NOON}])
    roll_up(store, bike_demand)
    assert {row[2]: row[4] for row in _read(store, "feature_rollup")} == {**dict.fromkeys(names, 1), "text'": 1}


def test_errors_are_also_kept_by_the_hour_of_the_prediction_and_the_age_of_the_label(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    insert("prediction_log", [{"id": key, "prediction": 10, "created_at": NOON} for key in "abc"])
    ages = {"a": timedelta(minutes=59), "b": 24 * HOUR - timedelta(seconds=1), "c": 24 * HOUR}
    insert("label", [{"id": key, "label": 12, "observed_at": NOON + age} for key, age in ages.items()])
    roll_up(store, bike_demand)
    assert [(row[0], row[3], row[4]) for row in _read(store, "error_age_rollup")] == [
        (1, NOON, 1),
        (24, NOON, 1),
        (48, NOON, 1),
    ]


def test_a_classification_has_its_confusion_counts_and_brier_scores(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    predictions = {"sure": 0.9, "even": 0.5, "no": 0.2}
    insert(
        "prediction_log", [{"id": key, "prediction": value, "created_at": NOON} for key, value in predictions.items()]
    )
    insert("label", [{"id": key, "label": key == "sure", "observed_at": NOON + HOUR} for key in predictions])
    roll_up(store, bike_demand)
    assert [row[2:] for row in _read(store, "confusion_rollup")] == [
        (NOON, "false", "false", 1, DAY),
        (NOON, "false", "true", 1, DAY),
        (NOON, "true", "true", 1, DAY),
    ]
    (errors,) = _read(store, "error_rollup")
    assert float(errors[11]) == pytest.approx(0.1**2 + 0.5**2 + 0.2**2, rel=1e-12)


def test_the_brier_score_of_several_classes_is_their_squared_distance(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    insert("prediction_log", [{"id": "a", "prediction": {"a": 0.5, "b": 0.3, "c": 0.2}}])
    insert("label", [{"id": "a", "label": "b"}])
    roll_up(store, bike_demand)
    assert float(_read(store, "error_rollup")[0][11]) == pytest.approx(0.5**2 + 0.7**2 + 0.2**2, rel=1e-12)


def test_requests_are_summed_by_hour_over_instances_and_flushes(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    def flush(instance: str, minute: int, **more: Any) -> dict[str, Any]:
        counts = [1, *[0] * 11, 2]
        at = {"bucket_start": NOON + timedelta(minutes=minute), "latency_counts": counts, "latency_ms_sum": 0.1}
        return {"instance_id": instance, "requests": 3, "failures": 1, "rejected": 0, **at, **more}

    insert("request_stat", [flush("a", 0), flush("b", 59)])
    roll_up(store, bike_demand)
    insert("request_stat", [flush("c", 30, rejected=1), flush("c", 60)])
    roll_up(store, bike_demand)
    first, second = _read(store, "request_rollup")
    assert (*first[2:6], float(first[6]), first[7]) == (NOON, 9, 1, 3, 0.3, [3, *[0] * 11, 6])
    assert (second[2], second[3]) == (NOON + HOUR, 3)


@pytest.mark.usefixtures("reference")
def test_the_command_rebuilds_what_was_lost(
    store: Store, insert: Any, monkeypatch: pytest.MonkeyPatch, bike_demand: ModelSpec
) -> None:
    insert("prediction_log", [{"id": "a", "input": {"x": 0.9}, "created_at": NOON, "prediction": 3}])
    insert("label", [{"id": "a", "label": 5}])
    roll_up(store, bike_demand)
    before = _read_all(store)
    _run(store, "UPDATE feature_rollup SET count = 7; DELETE FROM error_rollup")
    monkeypatch.setenv("CYCLONE_STORE_DSN", store.dsn)
    result = CliRunner().invoke(app, ["rollups", "rebuild", "bike_demand"])
    assert (result.exit_code, result.output) == (0, "1 hours and 1 errors counted\n")
    assert _read_all(store) == before


def test_hours_whose_rows_were_dropped_keep_their_counts(store: Store, bike_demand: ModelSpec, insert: Any) -> None:
    insert("reference_bin", [{"feature": "x", "bin": 0, "count": 9}])
    insert("prediction_log", [{"created_at": NOON}, {"created_at": NOON + 40 * 24 * HOUR}])
    roll_up(store, bike_demand)
    before = _read_all(store)
    _run(store, "DELETE FROM prediction_log WHERE created_at < '2011-04-01'")
    rebuild(store, bike_demand)
    assert _read_all(store) == before


def _sample_above(spec: ModelSpec, rows: int) -> ModelSpec:
    return spec.model_copy(update={"monitor": spec.monitor.model_copy(update={"sample_above_rows_per_hour": rows})})


def _draw_row(chance: random.Random, number: int, predict: Draw) -> dict[str, Any]:
    row = {"x": chance.random(), "y": chance.choice([None, 1, 0.5])}
    at = NOON + HOUR * (0 if number % 2 else chance.randrange(24))
    return {"id": str(number), "input": row, "prediction": predict(chance), "created_at": at}


def _draw_label(chance: random.Random, number: int, label: Draw) -> dict[str, Any]:
    return {"id": str(number), "label": label(chance), "observed_at": NOON + chance.random() * 72 * HOUR}


def _draw_requests(chance: random.Random, number: int) -> dict[str, Any]:
    at = NOON + chance.random() * 6 * HOUR
    counts = [chance.randrange(5) for _ in range(13)]
    sums = {"latency_ms_sum": chance.random() * 100, "latency_counts": counts}
    return {"bucket_start": at, "requests": sum(counts), **sums, "flush_number": number}


def _run(store: Store, statement: str) -> None:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(statement)


def _read(store: Store, table: str) -> list[tuple[Any, ...]]:
    """Every row, in an order of its own."""
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        return sorted(cursor.fetchall(), key=lambda row: [str(value) for value in row])


def _read_all(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    return {table: _read(store, table) for table in TABLES}


def _count(store: Store, feature: str) -> dict[int, int]:
    counts: dict[int, int] = {}
    for row in _read(store, "feature_rollup"):
        if row[2] == feature:
            counts[row[4]] = counts.get(row[4], 0) + row[5]
    return counts
