"""Labels that come in loads: days of rows are judged, and what is missing of them is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.rollups import roll_up
from cyclone.policy.breaker import find_faults
from cyclone.policy.evidence import collect_evidence
from cyclone.policy.rules import decide
from cyclone.spec import ModelSpec
from cyclone.store import Store

DAY = timedelta(days=1)
START = datetime(2011, 2, 14, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("first_champion")


@pytest.fixture
def weekly(bike_demand: ModelSpec) -> ModelSpec:
    return bike_demand.model_copy(update={"label": bike_demand.label.model_copy(update={"load_every_days": 7})})


def answer(insert: Any, days: int) -> None:
    """Four rows at noon of each day, whose predictions are 40 too high."""
    insert("reference_bin", [{"feature": "prediction", "bin": 0, "count": 9}])
    for day in range(days):
        rows = [{"id": f"{day}-{n}", "prediction": 140, "created_at": START + (day + 0.5) * DAY} for n in range(4)]
        insert("prediction_log", [{**row, "stored_at": row["created_at"]} for row in rows])


def load(insert: Any, days: range, at: datetime, prefix: str = "") -> None:
    received = {"observed_at": at, "received_at": at, "is_live": True}
    ids = [f"{prefix}{day}-{n}" for day in days for n in range(4)]
    insert("label", [{"id": id_, "label": 100, **received} for id_ in ids])


def test_a_weekly_load_fires_with_the_days_of_its_rows(store: Store, weekly: ModelSpec, insert: Any) -> None:
    answer(insert, 14)
    monday = START + 9 * DAY + timedelta(hours=9)
    load(insert, range(8), monday)  # and half of a day: what was answered before nine
    load_half = [{"id": "8-0", "label": 140, "observed_at": monday, "received_at": monday, "is_live": True}]
    insert("label", load_half)
    roll_up(store, weekly)
    before = collect_evidence(store, weekly, [], monday.replace(hour=0))
    assert before.champion is not None
    assert before.champion.days == ()
    for later in (1, 4, 7):  # until the next load the same days are judged
        now = monday.replace(hour=0) + later * DAY
        evidence = collect_evidence(store, weekly, [], now)
        assert evidence.champion is not None
        assert [(day.error, day.rows) for day in evidence.champion.days] == [(40.0, 4)] * 7
        assert find_faults(weekly, evidence.upstream, now) == []
        assert decide(weekly, evidence).should_retrain
        (error, _) = evaluate_checks(store, weekly, "error", now, f"run {later}")
        assert (error.value, error.sample_size) == (40.0, 28)


def test_labels_whose_kind_comes_early_raise_no_alarm_while_the_others_are_awaited(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    """One row in eight is 40 wrong, and its label comes at once. The others are right, and come four days late.

    So the newest days seem all wrong. Nothing has changed, and each day's error is 5 once its labels are there.
    """
    insert("reference_bin", [{"feature": "prediction", "bin": 0, "count": 9}])
    for day in range(21):
        at = START + (day + 0.5) * DAY
        rows = [{"id": f"{day}-{n}", "prediction": 140, "created_at": at, "stored_at": at} for n in range(8)]
        insert("prediction_log", rows)
        for n in range(8):
            known = at + (DAY / 2 if n == 0 else 5 * DAY)
            told = {"observed_at": known, "received_at": known, "is_live": True}
            insert("label", [{"id": f"{day}-{n}", "label": 140 if n else 100, **told}])
    roll_up(store, bike_demand)
    for day in range(8, 20):
        now = START + day * DAY
        evidence = collect_evidence(store, bike_demand, [], now)
        assert evidence.champion is not None
        assert {(known.error, known.rows) for known in evidence.champion.days} == {(5.0, 8)}
        assert not decide(bike_demand, evidence).should_retrain
        for result in evaluate_checks(store, bike_demand, "error", now, f"run {day}"):
            assert (result.value, result.verdict == "failed") == (5.0, False)


def test_labels_of_unknown_ids_do_not_hide_that_labels_stopped(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    answer(insert, 28)
    for day in range(14):
        load(insert, range(day, day + 1), START + (day + 1.5) * DAY)
    for day in range(14, 27):
        load(insert, range(day, day + 1), START + (day + 1.5) * DAY, prefix="unknown-")
    roll_up(store, bike_demand)
    assert find_label_faults(store, bike_demand, START + 15 * DAY) == []
    assert find_label_faults(store, bike_demand, START + 28 * DAY) == [
        "labels stopped: none for rows after 2011-02-27 12:00, 8.5 days later than expected"
    ]


def test_a_few_labels_do_not_hide_that_the_others_stopped(store: Store, bike_demand: ModelSpec, insert: Any) -> None:
    answer(insert, 28)
    for day in range(27):
        load(insert, range(day, day + 1) if day < 15 or day % 5 == 0 else range(0), START + (day + 1.5) * DAY)
    roll_up(store, bike_demand)
    assert find_label_faults(store, bike_demand, START + 15 * DAY) == []
    assert find_label_faults(store, bike_demand, START + 26 * DAY) == [
        "labels are missing: 8 of 28 rows of a week have one, 29 % where 100 % had one before"
    ]


def find_label_faults(store: Store, spec: ModelSpec, now: datetime) -> list[str]:
    faults = find_faults(spec, collect_evidence(store, spec, [], now).upstream, now)
    return [fault for fault in faults if fault.startswith("labels")]
