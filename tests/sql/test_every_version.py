"""Every version that has traffic is judged, whatever the release record says."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from cyclone.checks.champion import find_champion
from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.rollups import roll_up
from cyclone.checks.verdict_table import format_verdicts
from cyclone.policy.what_if import judge_unrecorded
from cyclone.sections import CheckKind
from cyclone.spec import ModelSpec
from cyclone.store import Store

END = datetime(2011, 3, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def condemned(insert: Any) -> None:
    """Version 2 took over from version 1 a week ago. Both were accepted with an error of 10."""
    insert("reference_profile", [{"version": 1}, {"version": 2}])
    insert("reference_bin", [{"version": number, "feature": "prediction", "bin": 0, "count": 9} for number in (1, 2)])
    insert(
        "release",
        [
            {"version": 1, "run_id": "1", "state": "retired", "ended_at": END - 7 * DAY},
            {"version": 2, "run_id": "2", "created_at": END - 8 * DAY, "promoted_at": END - 7 * DAY},
        ],
    )


@pytest.fixture
def answer(insert: Any) -> Any:
    """`answer(version, since, until, error)`: an hourly row of a version, with a label that comes at once."""

    def insert_rows(version: int, since: datetime, until: datetime, error: float) -> None:
        hours = int((until - since) / timedelta(hours=1))
        times = [since + timedelta(hours=hour) for hour in range(hours)]
        names = [f"{version} {at}" for at in times]
        revision = {"version": version, "revision": f"v{version}"}
        rows = [
            {**revision, "id": name, "created_at": at, "prediction": 500} for name, at in zip(names, times, strict=True)
        ]
        insert("prediction_log", rows)
        labels = [{"id": name, "observed_at": at, "label": 500 - error} for name, at in zip(names, times, strict=True)]
        insert("label", labels)

    return insert_rows


def test_a_condemned_version_with_traffic_is_judged_beside_the_champion(
    store: Store, bike_demand: ModelSpec, condemned: None, answer: Any
) -> None:
    answer(1, END - 5 * DAY, END, 300)
    roll_up(store, bike_demand)
    results = evaluate_checks(store, bike_demand, "error", END, "run")
    told = [(item.version, item.value, item.verdict) for item in results if item.check_name == "mean_absolute_error"]
    assert told == [(2, None, "no_data"), (1, 300.0, "failed")]
    assert [item.version for item in results] == sorted((item.version for item in results), reverse=True)
    assert evaluate_checks(store, bike_demand, "error", END, "run") == results
    table = format_verdicts(results)
    assert [line for line in table.splitlines() if line.startswith("version")] == [
        "version 2, up to 2011-03-08 00:00 UTC",
        "version 1, up to 2011-03-08 00:00 UTC",
    ]


def test_a_backfill_judges_the_versions_that_the_live_run_judged(
    store: Store, bike_demand: ModelSpec, condemned: None, answer: Any
) -> None:
    answer(1, END - 5 * DAY, END, 300)
    roll_up(store, bike_demand)
    live = [evaluate_checks(store, bike_demand, kind, END, "live") for kind in get_args(CheckKind)]
    answer(1, END, END + 3 * DAY, 300)
    roll_up(store, bike_demand)
    assert [evaluate_checks(store, bike_demand, kind, END, "backfill") for kind in get_args(CheckKind)] == live
    errors = judge_unrecorded(store, bike_demand, "error", END)
    assert sorted(errors, key=repr) == sorted(live[1], key=repr)


def test_the_last_rows_of_a_version_that_was_replaced_do_not_keep_it_judged(
    store: Store, bike_demand: ModelSpec, condemned: None, answer: Any
) -> None:
    moment = END - 7 * DAY
    answer(1, moment - 5 * DAY, moment, 300)
    roll_up(store, bike_demand)
    results = evaluate_checks(store, bike_demand, "error", moment, "run")
    assert {item.version for item in results} == {2}


def test_a_champion_that_was_retired_serves_no_more(store: Store, insert: Any) -> None:
    insert("reference_profile", [{"version": 1}, {"version": 2}])
    retired = {"state": "retired", "ended_at": END}
    insert("release", [{"version": 1, "run_id": "1", "promoted_at": END - 2 * DAY, **retired}])
    found = [find_champion(store, "bike_demand", END + days * DAY) for days in (-1, 0, 1)]
    assert [champion and champion.version for champion in found] == [1, None, None]
    insert("release", [{"version": 2, "run_id": "2", "promoted_at": END + 2 * DAY}])
    found = [find_champion(store, "bike_demand", END + days * DAY) for days in (-1, 1, 2)]
    assert [champion and champion.version for champion in found] == [1, None, 2]


def test_a_newer_release_serves_even_if_the_clock_was_set_back(store: Store, insert: Any) -> None:
    insert("reference_profile", [{"version": 1}, {"version": 2}])
    insert("release", [{"version": 1, "run_id": "1", "promoted_at": END, "state": "retired", "ended_at": END - DAY}])
    insert("release", [{"version": 2, "run_id": "2", "promoted_at": END - DAY}])
    champion = find_champion(store, "bike_demand", END)
    assert champion is not None
    assert champion.version == 2


def test_an_earlier_version_is_not_judged_in_place_of_a_champion_without_a_profile(store: Store, insert: Any) -> None:
    insert("reference_profile", [{"version": 1}])
    insert("release", [{"version": 1, "run_id": "1", "state": "retired", "ended_at": END - DAY}])
    insert("release", [{"version": 2, "run_id": "2", "promoted_at": END - DAY}])
    assert find_champion(store, "bike_demand", END) is None
