"""Late labels and rows: the windows that they fall in are judged again, in new rows beside the old ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.reevaluation import reevaluate
from cyclone.checks.rollups import roll_up
from cyclone.checks.verdicts import CheckResult
from cyclone.sections import CheckRules, Monitor
from cyclone.spec import ModelSpec
from cyclone.store import Store

DAY = timedelta(days=1)
END = datetime(2011, 3, 8, tzinfo=UTC)
LATER = END + 5 * DAY
ROW = {"created_at": END - 5 * DAY, "stored_at": END - 5 * DAY}


@pytest.fixture
def spec(bike_demand: ModelSpec) -> ModelSpec:
    monitor = Monitor(
        drift={"missing_share": CheckRules(limit=0.5, minimum_samples=1)},
        error={"mean_absolute_error": CheckRules(limit=1.5, minimum_samples=1)},
    )
    return bike_demand.model_copy(update={"monitor": monitor})


@pytest.fixture
def _log(store: Store, spec: ModelSpec, insert: Any, first_champion: None) -> None:
    """Two rows and their labels, each off by 10, judged at the end of 7 March and of 8 March."""
    insert("reference_bin", [{"feature": "wind", "bin": -1, "count": 0}, {"feature": "wind", "bin": 0, "count": 9}])
    for name in ("a", "b"):
        insert("prediction_log", [{"id": name, "prediction": 20.0, "input": {"wind": 1}, **ROW}])
        insert("label", [{"id": name, "label": 10.0, "observed_at": END - 4 * DAY}])
    judge_all(store, spec, END, "first")
    judge_all(store, spec, END + DAY, "second")
    assert reevaluate(store, spec, LATER, "at once") == []


def judge_all(store: Store, spec: ModelSpec, end: datetime, run_id: str) -> None:
    roll_up(store, spec)
    evaluate_checks(store, spec, "error", end, run_id)
    evaluate_checks(store, spec, "drift", end, run_id)


def judge_late(store: Store, spec: ModelSpec, run_id: str) -> list[CheckResult]:
    roll_up(store, spec)
    return reevaluate(store, spec, LATER, run_id)


def read(store: Store, view: str, columns: str) -> list[tuple[Any, ...]]:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {view} WHERE kind = 'error' ORDER BY window_end, result_id")
        return cursor.fetchall()


@pytest.mark.usefixtures("_log")
def test_a_late_label_changes_the_verdicts_of_its_windows_beside_the_old_ones(
    store: Store, spec: ModelSpec, insert: Any
) -> None:
    insert("label", [{"id": "a", "label": 60.0, "observed_at": END - 4 * DAY + timedelta(hours=1)}])
    changed = judge_late(store, spec, "late")
    assert [(item.check_name, item.window_end, item.value, item.verdict) for item in changed] == [
        ("mean_absolute_error", END, 25.0, "failed"),
        ("mean_absolute_error", END + DAY, 25.0, "failed"),
    ]
    assert read(store, "current_verdict", "window_end, value, verdict, run_id") == [
        (END, 25.0, "failed", "late"),
        (END + DAY, 25.0, "failed", "late"),
    ]
    assert read(store, "verdict_history", "window_end, revision, value, verdict, run_id") == [
        (END, 1, 10.0, "passed", "first"),
        (END, 2, 25.0, "failed", "late"),
        (END + DAY, 1, 10.0, "passed", "second"),
        (END + DAY, 2, 25.0, "failed", "late"),
    ]
    assert judge_late(store, spec, "again") == []


@pytest.mark.usefixtures("_log")
def test_a_late_label_leaves_windows_alone_that_it_does_not_fall_in(store: Store, spec: ModelSpec, insert: Any) -> None:
    insert("prediction_log", [{"id": "c", "prediction": 20.0, "input": {"wind": 1}, "created_at": END - DAY}])
    insert("label", [{"id": "c", "label": 90.0, "observed_at": END + timedelta(hours=3)}])
    assert [(item.kind, item.window_end, item.sample_size) for item in judge_late(store, spec, "late")] == [
        ("drift", END, 3),
        ("drift", END + DAY, 3),
        ("error", END + DAY, 3),
    ]


@pytest.mark.usefixtures("_log")
@pytest.mark.parametrize("is_correction", [True, False])
def test_a_backfill_says_what_the_live_run_said_when_labels_are_loaded_later(
    store: Store, spec: ModelSpec, insert: Any, is_correction: bool
) -> None:
    """The label says that it was observed long before, and it came after both windows had been judged."""
    received = {"received_at": END + 2 * DAY, "is_live": True}
    if not is_correction:
        insert("prediction_log", [{"id": "c", "input": {}, "prediction": 0, "version": 1, **ROW}])
    insert("label", [{"id": "a" if is_correction else "c", "label": 90.0, "observed_at": END - 4 * DAY, **received}])
    assert [item for item in judge_late(store, spec, "late") if item.kind == "error"] == []
    for end in (END, END + DAY):
        (backfilled,) = evaluate_checks(store, spec, "error", end, f"backfill {end}")
        assert (backfilled.value, backfilled.sample_size) == (10.0, 2)
    (later,) = evaluate_checks(store, spec, "error", END + 3 * DAY, "when it was known")
    assert later.value == (40.0 if is_correction else pytest.approx(110 / 3))


@pytest.mark.usefixtures("_log")
def test_a_window_whose_day_is_not_over_is_left_to_its_own_run(store: Store, spec: ModelSpec, insert: Any) -> None:
    insert("label", [{"id": "a", "label": 60.0, "observed_at": END - 4 * DAY + timedelta(hours=1)}])
    roll_up(store, spec)
    changed = reevaluate(store, spec, END + DAY + timedelta(hours=2), "late")
    assert [item.window_end for item in changed] == [END]


@pytest.mark.usefixtures("_log")
def test_a_window_whose_rows_are_not_in_the_log_says_nothing(store: Store, spec: ModelSpec, insert: Any) -> None:
    insert("instance_ledger", [{"instance_id": "i", "handed_over": 10}])
    insert("log_window", [{"instance_id": "i", "window_start": END - 5 * DAY, "stored": 2, "dropped": 1}])
    for kind in ("drift", "error"):
        results = evaluate_checks(store, spec, kind, END, "incomplete")
        assert {item.verdict for item in results} == {"no_data"}
        assert {item.reason for item in results} == {"66.7% of the window's rows are in the log, 95.0% are needed"}
