"""The health of a model, from verdicts in a real store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cyclone.checks.evaluation import BROKEN, evaluate_checks
from cyclone.checks.health import Health, read_health
from cyclone.errors import CheckError
from cyclone.sections import CheckRules, Monitor
from cyclone.spec import ModelSpec
from cyclone.store import Store

NOW = datetime(2011, 3, 8, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def read(store: Store, now: datetime = NOW) -> Health:
    return read_health(store, "bike_demand", ["error"], HOUR, now)


def put_errors(insert: Any, until: datetime, error: float) -> None:
    sums = {"count": 1, "sum_absolute_error": error, "sum_squared_error": error**2, "sum_label": 0, "sum_prediction": 0}
    insert("error_rollup", [{"bucket_start": until - timedelta(hours=hour + 1), **sums} for hour in range(24 * 7)])


def test_before_the_first_promotion_nothing_is_healthy(store: Store) -> None:
    assert read(store) == Health(False, "no version of bike_demand serves at 2011-03-08 12:00 UTC")


@pytest.mark.usefixtures("first_champion")
def test_a_model_is_healthy_by_its_newest_verdicts_only(store: Store, bike_demand: ModelSpec, insert: Any) -> None:
    put_errors(insert, NOW.replace(hour=0) - timedelta(days=8), error=90)
    put_errors(insert, NOW.replace(hour=0), error=9)
    evaluate_checks(store, bike_demand, "error", NOW - timedelta(days=8), "before")
    assert "mean_absolute_error of all is failed" in read(store, NOW - timedelta(days=8)).reason
    evaluate_checks(store, bike_demand, "error", NOW, "now")
    health = read(store)
    assert (health.is_healthy, health.reason) == (True, "all 2 verdicts passed")
    later = read(store, NOW + timedelta(days=1))
    assert later.reason == "the newest error verdict is of 2011-03-08 00:00 UTC: older than 1:00:00"


@pytest.mark.usefixtures("first_champion")
def test_a_check_that_was_mended_is_no_longer_held_against_the_model(
    store: Store, bike_demand: ModelSpec, tmp_path: Path
) -> None:
    monitor = Monitor(error={"mine": CheckRules(limit=1)})
    spec = bike_demand.model_copy(update={"monitor": monitor})
    (tmp_path / "error").mkdir()
    path = tmp_path / "error" / "mine.sql"
    path.write_text("SELEKT")
    with pytest.raises(CheckError):
        evaluate_checks(store, spec, "error", NOW, "broken", tmp_path)
    assert read(store).reason == f"mine of {BROKEN} is no_data"
    path.write_text("SELECT 'all' AS subject, 1.5 AS value, 200 AS sample_size")
    evaluate_checks(store, spec, "error", NOW, "mended", tmp_path)
    assert read(store).is_healthy


@pytest.mark.usefixtures("first_champion")
def test_another_version_needs_verdicts_of_its_own(store: Store, bike_demand: ModelSpec, insert: Any) -> None:
    put_errors(insert, NOW.replace(hour=0), error=9)
    evaluate_checks(store, bike_demand, "error", NOW, "now")
    insert("reference_profile", [{"version": 2}])
    insert("release", [{"version": 2, "run_id": "second", "promoted_at": "2011-03-08T06:00Z"}])
    assert read(store).reason == "no error check has a verdict"
