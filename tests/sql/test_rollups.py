"""Roll-ups against the rows that they count."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import log
from typing import Any

import numpy as np
import pytest

from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.rollups import RollupSummary, rebuild, roll_up
from cyclone.sections import CheckRules, Monitor
from cyclone.spec import ModelSpec
from cyclone.store import Store

NOON = datetime(2011, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = NOON.replace(hour=0)
"""The day on which the labels of most of these tests are known."""
EDGES = [0.2, 0.4, 0.6, 0.8]
WEATHER = ["clear", "cloudy/misty", "light rain/snow"]
REFERENCE = [
    *(
        {"feature": "temperature", "bin": bin_, "lower_bound": lower, "upper_bound": upper, "count": 20 + bin_}
        for bin_, (lower, upper) in enumerate(zip([None, *EDGES], [*EDGES, None], strict=True))
    ),
    *({"feature": "weather", "bin": bin_, "category": category, "count": 30} for bin_, category in enumerate(WEATHER)),
    {"feature": "holiday", "bin": 0, "category": "false", "count": 90},
    {"feature": "holiday", "bin": 1, "category": "true", "count": 10},
    {"feature": "prediction", "bin": 0, "lower_bound": 0.0, "upper_bound": 50.0, "count": 60},
    {"feature": "prediction", "bin": 1, "lower_bound": 50.0, "upper_bound": 100.0, "count": 40},
]

pytestmark = pytest.mark.usefixtures("first_champion")


@pytest.fixture
def reference(insert: Any) -> None:
    insert("reference_bin", REFERENCE)


@pytest.mark.usefixtures("reference")
def test_values_fall_into_the_bins_of_the_reference(store: Store, bike_demand: ModelSpec, insert: Any) -> None:
    rows = [
        {"temperature": 0.2, "weather": "clear", "holiday": True, "unknown_feature": 1},
        {"temperature": -7, "weather": "hail", "holiday": False},
        {"temperature": 99.5, "weather": None},
        {"temperature": None, "weather": "clear", "holiday": False},
        {"temperature": "warm", "weather": "clear", "holiday": 0},
    ]
    predictions = [49.9, 50, 1000, None, -3]
    insert(
        "prediction_log",
        [
            {"input": row, "prediction": prediction, "created_at": NOON}
            for row, prediction in zip(rows, predictions, strict=True)
        ],
    )
    assert roll_up(store, bike_demand) == RollupSummary("bike_demand", feature_hours=1, error_changes=0)
    assert _read_bins(store) == {
        "holiday": {-2: 1, -1: 1, 0: 2, 1: 1},
        "prediction": {-1: 1, 0: 2, 1: 2},
        "temperature": {-2: 1, -1: 1, 0: 1, 1: 1, 4: 1},
        "weather": {-2: 1, -1: 1, 0: 3},
    }


def test_a_numeric_feature_with_a_single_bin_and_one_that_was_always_missing_are_counted(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    insert("reference_bin", [{"feature": "a", "bin": 0, "count": 9}, {"feature": "b", "bin": -1, "count": 9}])
    insert("prediction_log", [{"input": {"a": 3, "b": 3}}, {"input": {"a": 4}}])
    roll_up(store, bike_demand)
    assert _read_bins(store) == {"a": {0: 2}, "b": {-2: 1, -1: 1}}


def test_a_multiclass_prediction_counts_as_its_likeliest_class(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    classes = [{"feature": "prediction", "bin": bin_, "category": name, "count": 1} for bin_, name in enumerate("ab")]
    insert("reference_bin", classes)
    insert("prediction_log", [{"prediction": {"a": 0.3, "b": 0.7}}, {"prediction": {"a": 0.1, "c": 0.9}}])
    roll_up(store, bike_demand)
    assert _read_bins(store) == {"prediction": {1: 1, -2: 1}}


@pytest.mark.usefixtures("reference")
def test_history_is_left_out_and_a_version_without_a_profile_has_errors_only(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    insert("prediction_log", [{"id": "new", "version": 2, "prediction": 1}, {"id": "old", "version": None}])
    insert("label", [{"id": "new", "label": 1}, {"id": "old", "label": 1}])
    roll_up(store, bike_demand)
    assert _read(store, "feature_rollup") == []
    assert [row[1] for row in _read(store, "error_rollup")] == [2]


def test_errors_are_summed_by_the_hour_of_the_prediction_and_the_day_of_knowledge(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    insert("prediction_log", [{"id": "a", "prediction": 10}, {"id": "b", "prediction": 20.5}])
    insert("label", [{"id": "a", "label": 13, "observed_at": NOON}, {"id": "b", "label": 20, "observed_at": NOON}])
    roll_up(store, bike_demand)
    assert _read(store, "error_rollup") == [
        ("bike_demand", 1, DAY, 2, 33.0, 30.5, 3.5, 9.25, None, None, 33.0, None, None, DAY),
    ]


def test_log_loss_is_that_of_the_label_given(store: Store, bike_demand: ModelSpec, insert: Any) -> None:
    cases: list[tuple[Any, Any, float]] = [
        (0.8, True, -log(0.8)),
        (0.8, False, -log(1 - 0.8)),
        (0, True, -log(np.finfo(float).eps)),
        (1, True, 0.0),
        ({"a": 0.25, "b": 0.75}, "a", -log(0.25)),
        ({"1": 0.25, "2": 0.75}, 2, -log(0.75)),
        ({"a": 1}, "z", -log(np.finfo(float).eps)),
    ]
    for number, (prediction, label, _) in enumerate(cases):
        at = NOON + number * HOUR
        insert("prediction_log", [{"id": str(number), "prediction": prediction, "created_at": at}])
        insert("label", [{"id": str(number), "label": label, "observed_at": at}])
    roll_up(store, bike_demand)
    losses = [float(row[8]) for row in _read(store, "error_rollup")]
    assert losses == pytest.approx([loss for _, _, loss in cases], rel=1e-12)


def test_one_absurd_row_does_not_stop_the_others(store: Store, bike_demand: ModelSpec, insert: Any) -> None:
    insert("reference_bin", REFERENCE)
    insert("prediction_log", [{"id": "a", "prediction": 1e308, "input": {"temperature": 1e308}}])
    insert("prediction_log", [{"id": "b", "prediction": 5}, {"id": "c", "prediction": "five"}])
    insert("label", [{"id": "a", "label": -1e308}, {"id": "b", "label": 6}, {"id": "c", "label": 6}])
    roll_up(store, bike_demand)
    assert [row[3] for row in _read(store, "error_rollup")] == [2]


@pytest.mark.usefixtures("reference")
def test_a_late_row_and_a_late_label_mend_their_hours(store: Store, bike_demand: ModelSpec, insert: Any) -> None:
    insert("label", [{"id": "late", "label": 7, "observed_at": NOON + 24 * HOUR}])
    insert("prediction_log", [{"id": "a", "prediction": 10, "created_at": NOON}])
    roll_up(store, bike_demand)
    assert _read(store, "error_rollup") == []
    insert("prediction_log", [{"id": "late", "prediction": 5, "created_at": NOON, "stored_at": _now()}])
    roll_up(store, bike_demand)
    assert _read_bins(store)["prediction"] == {0: 2}
    assert [(row[2], row[6]) for row in _read(store, "error_rollup")] == [(NOON, 2.0)]


def test_a_correction_takes_the_old_error_away_on_the_day_on_which_it_is_known(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    insert("prediction_log", [{"id": key, "prediction": 10, "created_at": NOON} for key in "ab"])
    insert("label", [{"id": id_, "label": 12, "observed_at": NOON} for id_ in "ab"])
    roll_up(store, bike_demand)
    insert("label", [{"id": "a", "label": 15, "observed_at": NOON + 48 * HOUR}])
    roll_up(store, bike_demand)
    found = [(row[2], row[3], row[6], row[13]) for row in read_by_day(store)]
    assert found == [(NOON, 2, 4.0, DAY), (NOON, 0, 3.0, DAY + 48 * HOUR)]
    insert("label", [{"id": "b", "label": 11, "observed_at": NOON + 49 * HOUR}])
    roll_up(store, bike_demand)
    assert [row[6] for row in read_by_day(store)] == [4.0, 2.0]
    insert("label", [{"id": "b", "label": 99, "observed_at": NOON - HOUR}])  # the last to arrive, and known before
    roll_up(store, bike_demand)
    assert [row[6] for row in read_by_day(store)] == [91.0, 3.0]
    piecewise = read_by_day(store)
    rebuild(store, bike_demand)
    assert read_by_day(store) == piecewise


def read_by_day(store: Store) -> list[Any]:
    return sorted(_read(store, "error_rollup"), key=lambda row: row[13])


def test_a_live_label_is_known_from_when_it_was_received(store: Store, bike_demand: ModelSpec, insert: Any) -> None:
    insert("prediction_log", [{"id": "a", "prediction": 10, "created_at": NOON, "stored_at": NOON}])
    received = NOON + 72 * HOUR
    insert("label", [{"id": "a", "label": 12, "observed_at": NOON, "received_at": received, "is_live": True}])
    roll_up(store, bike_demand)
    assert [(row[2], row[13]) for row in _read(store, "error_rollup")] == [(NOON, DAY + 72 * HOUR)]
    for at, rows in ((NOON + HOUR, 0), (received, 1)):
        bounds = {"as_of": at, "since": "-infinity", "label_delay": timedelta()}
        assert len(store.fetch("training/dataset", model="bike_demand", **bounds)) == rows


def test_of_two_labels_observed_at_once_the_last_to_arrive_counts(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    insert("prediction_log", [{"id": "a", "prediction": 10}])
    for label in (15, 12):
        insert("label", [{"id": "a", "label": label, "observed_at": NOON}])
    roll_up(store, bike_demand)
    assert [(row[3], row[6]) for row in _read(store, "error_rollup")] == [(1, 2.0)]


@pytest.mark.usefixtures("reference")
def test_only_news_are_counted(store: Store, bike_demand: ModelSpec, insert: Any) -> None:
    insert("prediction_log", [{"created_at": NOON + n * HOUR} for n in range(5)])
    assert roll_up(store, bike_demand).feature_hours == 5
    insert("prediction_log", [{"id": "new", "created_at": NOON + HOUR}])
    assert roll_up(store, bike_demand).feature_hours == 1
    assert roll_up(store, bike_demand) == RollupSummary("bike_demand", feature_hours=0, error_changes=0)
    assert rebuild(store, bike_demand).feature_hours == 5


@pytest.mark.usefixtures("reference")
def test_a_row_committed_after_a_roll_up_that_it_was_inserted_before_is_found(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    """A second writer's transaction is open while the roll-up runs."""
    insert("prediction_log", [{"id": "a", "created_at": NOON}])
    with store.transaction() as writer, writer.connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO prediction_log (model, id, version, input, created_at)"
            " VALUES ('bike_demand', 'b', 1, '{}', %s)",
            (NOON,),
        )
        roll_up(store, bike_demand)
        assert _read_bins(store)["weather"] == {-1: 1}
    roll_up(store, bike_demand)
    assert _read_bins(store)["weather"] == {-1: 2}


@pytest.mark.usefixtures("reference")
def test_rolling_up_piece_by_piece_gives_the_rows_of_a_rebuild(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    chance = random.Random(5)
    predictions = [_draw_prediction(chance, number) for number in range(240)]
    labels = [_draw_label(chance, chance.randrange(240)) for _ in range(300)]
    for piece in range(6):
        insert("label", labels[piece * 50 : piece * 50 + 50])
        insert("prediction_log", predictions[piece * 40 : piece * 40 + 40])
        roll_up(store, bike_demand)
    piecewise = (_read(store, "feature_rollup"), _read(store, "error_rollup"))
    assert all(piecewise)
    roll_up(store, bike_demand)
    assert (_read(store, "feature_rollup"), _read(store, "error_rollup")) == piecewise
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("TRUNCATE feature_rollup, row_rollup, error_rollup, rollup_watermark")
    rebuild(store, bike_demand)
    assert (_read(store, "feature_rollup"), _read(store, "error_rollup")) == piecewise


@pytest.mark.usefixtures("reference")
def test_the_stability_index_is_that_of_numpy_on_the_same_rows(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    chance = random.Random(7)
    rows = [_draw_prediction(chance, number) for number in range(500)]
    insert("prediction_log", rows)
    roll_up(store, bike_demand)
    monitor = Monitor(drift={"population_stability": CheckRules(limit=0.2)})
    spec = bike_demand.model_copy(update={"monitor": monitor})
    results = evaluate_checks(store, spec, "drift", NOON + 48 * HOUR, run_id="run")
    values = {result.subject: result.value for result in results}
    inside = [-np.inf, *EDGES, np.inf]
    temperatures = np.array([row["input"]["temperature"] for row in rows])
    weather = [row["input"]["weather"] for row in rows]
    assert values["temperature"] == pytest.approx(
        _compute_psi(np.histogram(temperatures, inside)[0], [20, 21, 22, 23, 24]), abs=1e-9
    )
    assert values["weather"] == pytest.approx(
        _compute_psi([weather.count(value) for value in [*WEATHER, None, "hail"]], [30, 30, 30, 0, 0]), abs=1e-9
    )
    assert values["prediction"] == pytest.approx(
        _compute_psi(np.histogram([row["prediction"] for row in rows], [-np.inf, 50, np.inf])[0], [60, 40]),
        abs=1e-9,
    )


def _compute_psi(observed: Sequence[int] | Any, expected: Sequence[int]) -> float:
    p = np.maximum(np.array(observed) / np.sum(observed), 1e-4)
    q = np.maximum(np.array(expected) / np.sum(expected), 1e-4)
    return float(np.sum((p - q) * np.log(p / q)))


def _draw_prediction(chance: random.Random, number: int) -> dict[str, Any]:
    row = {
        "temperature": chance.gauss(0.5, 0.2),
        "weather": chance.choice([*WEATHER, None, "hail"]),
        "holiday": chance.random() < 0.1,
    }
    created_at = NOON + chance.random() * 24 * HOUR
    return {
        "id": str(number),
        "input": row,
        "prediction": chance.gauss(50, 20),
        "created_at": created_at,
        "stored_at": _now(),
    }


def _draw_label(chance: random.Random, number: int) -> dict[str, Any]:
    observed_at = NOON + chance.random() * 72 * HOUR
    return {"id": str(number), "label": chance.gauss(50, 20), "observed_at": observed_at}


def _now() -> datetime:
    return datetime.now(UTC)


def _read(store: Store, table: str) -> list[tuple[Any, ...]]:
    """Every row, in an order of its own."""
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        return sorted(cursor.fetchall())


def _read_bins(store: Store) -> dict[str, dict[int, int]]:
    bins: dict[str, dict[int, int]] = {}
    for _, _, feature, _, bin_, count, *_ in _read(store, "feature_rollup"):
        bins.setdefault(feature, {})[bin_] = count
    return bins
