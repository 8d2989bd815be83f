"""A backfill of the command line judges each past day once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from cyclone.__main__ import app
from cyclone.checks.backfill import judge_days
from cyclone.checks.evaluation import evaluate_checks
from cyclone.errors import ConfigurationError
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.support.statements import execute

FIRST = datetime(2011, 3, 8, tzinfo=UTC)
DAY = timedelta(days=1)
pytestmark = pytest.mark.usefixtures("first_champion")


def test_ten_days_are_ten_runs_with_the_verdicts_of_live_ones(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    hours = [FIRST + timedelta(hours=hour) for hour in range(-24 * 7, 24 * 10)]
    insert("error_rollup", [{"bucket_start": hour, "count": 1, "sum_absolute_error": 15} for hour in hours])
    live = evaluate_checks(store, bike_demand, "error", FIRST + 3 * DAY + timedelta(hours=5), "live")
    until = FIRST + 10 * DAY
    days = dict(judge_days(store, bike_demand, FIRST, until, now=until))
    assert list(days) == [FIRST + number * DAY for number in range(1, 11)]
    assert [result for result in days[FIRST + 3 * DAY] if result.kind == "error"] == live
    counted = "SELECT count(*), count(DISTINCT run_id) FROM check_result WHERE run_id != 'live'"
    recorded = execute(store, counted)
    assert recorded[0][1] == 10
    assert dict(judge_days(store, bike_demand, FIRST, until, now=until)) == days
    assert execute(store, counted) == recorded
    assert execute(store, "SELECT count(*) FROM incident") == [(0,)]


@pytest.mark.parametrize(("since", "until"), [(0, 0), (3, 1), (0, 11)])
def test_days_that_have_not_ended_are_refused(store: Store, bike_demand: ModelSpec, since: int, until: int) -> None:
    with pytest.raises(ConfigurationError, match="whole days of UTC are judged that have ended by 2011-03-18 09:00"):
        list(
            judge_days(
                store, bike_demand, FIRST + since * DAY, FIRST + until * DAY, now=FIRST + timedelta(days=10, hours=9)
            )
        )


def test_the_command_tells_the_verdicts_of_each_day(store: Store, insert: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = [FIRST + timedelta(hours=hour) for hour in range(-24 * 7, 24 * 3)]
    insert("error_rollup", [{"bucket_start": hour, "count": 1, "sum_absolute_error": 15} for hour in hours])
    insert("prediction_log", [{"created_at": FIRST + 3 * DAY}])  # the present of a replay
    monkeypatch.setenv("CYCLONE_STORE_DSN", store.dsn)
    monkeypatch.setattr("cyclone.commands.console.width", 200)
    days = ["--from", "2011-03-08", "--to", "2011-03-10"]
    result = CliRunner().invoke(app, ["monitor", "backfill", "bike_demand", *days])
    assert (result.exit_code, result.exception) == (0, None)
    first, second = result.output.splitlines()
    assert first.startswith("day that ended at 2011-03-09: ")
    assert second.startswith("day that ended at 2011-03-10: ")
    assert " failed" in second
