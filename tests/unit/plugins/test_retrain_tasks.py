from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.api.datamodels._generated import DagRun

from cyclone_airflow.retrain_tasks import _measure_wait


@pytest.mark.parametrize(("clear_number", "least", "most"), [(0, 60, 90), (1, 0, 0)])
def test_a_run_has_waited_since_its_trigger_unless_somebody_cleared_it(
    clear_number: int, least: float, most: float
) -> None:
    triggered_at = datetime.now(UTC) - timedelta(seconds=60)
    run = DagRun.model_validate(
        {
            "dag_id": "retrain__m",
            "run_id": "manual__1",
            "logical_date": None,
            "data_interval_start": None,
            "data_interval_end": None,
            "run_after": triggered_at,
            "start_date": datetime.now(UTC),
            "end_date": None,
            "clear_number": clear_number,
            "run_type": "manual",
            "state": "running",
            "consumed_asset_events": [],
            "partition_key": None,
        }
    )
    assert least <= _measure_wait(run) <= most
