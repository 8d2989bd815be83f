"""Runs of the monitor that are late, repeated or overlap: the same verdicts, each once."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.reevaluation import reevaluate
from cyclone.checks.rollups import roll_up
from cyclone.sections import CheckKind
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store
from tests.support.statements import execute

FIRST = datetime(2011, 3, 8, tzinfo=UTC)
DAYS = 4
pytestmark = pytest.mark.usefixtures("first_champion")


@pytest.fixture
def log(insert: Any) -> Any:
    """`log(day)`: a day's 24 rows, and the labels of the day before, as they come in while the monitor runs."""
    insert("reference_bin", [{"feature": "prediction", "bin": 0, "count": 100, "expected_error": 10}])

    def insert_day(day: int) -> None:
        rows, labels = [], []
        for hour in range(24):
            at = FIRST + timedelta(days=day, hours=hour)
            rows.append({"id": f"row {at}", "created_at": at, "prediction": 50})
            labels.append({"id": f"row {at - timedelta(days=1)}", "observed_at": at, "label": 50 + hour})
        insert("prediction_log", rows)
        insert("label", labels)

    for day in range(-9, 0):
        insert_day(day)
    return insert_day


def run_monitor(store: Store, spec: ModelSpec, day: int) -> None:
    """What the tasks of one run do, in their order."""
    end, run_id = FIRST + timedelta(days=day), f"day {day}"
    roll_up(store, spec)
    for kind in get_args(CheckKind):
        evaluate_checks(store, spec, kind, end, run_id)
    reevaluate(store, spec, end, run_id)


def read_verdicts(store: Store) -> list[Row]:
    rows = []
    for day in range(DAYS):
        rows += store.fetch(
            "verdicts/at", model="bike_demand", kind=None, window_end=FIRST + timedelta(days=day), run_id=None
        )
    return rows


def count_results(store: Store) -> int:
    ((count,),) = execute(store, "SELECT count(*) FROM check_result")
    return int(count)


def test_runs_after_a_pause_give_the_verdicts_of_runs_in_time(store: Store, bike_demand: ModelSpec, log: Any) -> None:
    for day in range(DAYS):
        run_monitor(store, bike_demand, day)
        log(day)
    in_time = read_verdicts(store)
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("DELETE FROM check_result")
    for day in range(DAYS):
        run_monitor(store, bike_demand, day)
    assert read_verdicts(store) == in_time
    errors = [row for row in in_time if row["check_name"] == "mean_absolute_error"]
    assert [(row["value"], row["sample_size"], row["verdict"]) for row in errors] == [(11.5, 168, "passed")] * DAYS


def test_a_run_repeated_counts_and_records_nothing_twice(store: Store, bike_demand: ModelSpec, log: Any) -> None:
    run_monitor(store, bike_demand, 0)
    before, count = read_verdicts(store), count_results(store)
    run_monitor(store, bike_demand, 0)
    assert (read_verdicts(store), count_results(store)) == (before, count)


def test_runs_that_overlap_count_and_record_nothing_twice(store: Store, bike_demand: ModelSpec, log: Any) -> None:
    for day in range(DAYS):
        log(day)
    days = [*range(DAYS), *range(DAYS)]  # each of them twice, as after a restart of the triggerer
    threads = [threading.Thread(target=run_monitor, args=(store, bike_demand, day)) for day in days]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    together, count = read_verdicts(store), count_results(store)
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("DELETE FROM check_result")
    for day in range(DAYS):
        run_monitor(store, bike_demand, day)
    assert (together, count) == (read_verdicts(store), count_results(store))
