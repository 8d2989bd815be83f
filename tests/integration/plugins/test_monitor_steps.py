"""The steps of the monitor as the triggerer does them, in a process of their own."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cyclone.store import Store
from tests.support.statements import put_champion, put_hourly_errors

REPOSITORY = Path(__file__).resolve().parents[3]
RUN_STEPS = """
import asyncio, json, sys
from cyclone_airflow.monitor_tasks import MonitorStepTrigger, read_results

async def run(step, fields):
    _, arguments = MonitorStepTrigger(step=step, model="bike_demand", **fields).serialize()
    async for event in MonitorStepTrigger(**arguments).run():
        return event.xcoms["return_value"]

for step, fields in json.loads(sys.argv[1]):
    result = asyncio.run(run(step, fields))
    if step.startswith("check_"):
        assert read_results(json.dumps(result)) == read_results(result)
    print("RESULT" + json.dumps(result))
assert read_results(None) == []
"""


def run_steps(store: Store, tmp_path: Path, *steps: tuple[str, dict[str, str]]) -> list[Any]:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "CYCLONE_STORE_DSN": store.dsn,
        "CYCLONE_CLOCK": "wall",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")]),
    }
    command = [sys.executable, "-c", RUN_STEPS, json.dumps(steps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = [line.removeprefix("RESULT") for line in done.stdout.splitlines() if line.startswith("RESULT")]
    return [json.loads(result) for result in results]


@pytest.fixture
def served(store: Store) -> None:
    """Version 1, accepted with an error of 10, whose predictions were wrong by 15 for a week."""
    put_champion(store, datetime(2011, 2, 1, tzinfo=UTC))
    put_hourly_errors(store, datetime(2011, 3, 1, tzinfo=UTC), datetime(2011, 3, 7, 23, tzinfo=UTC), error=15)


@pytest.mark.usefixtures("served")
def test_steps_give_their_results_and_another_configuration_records_nothing(store: Store, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    text = (REPOSITORY / "models" / "bike_demand" / "model.yaml").read_text()
    other.write_text(text + "monitor: {error: {mean_absolute_error: {limit: 1.4}}}\n")
    run = {
        "run_id": "run",
        "interval_start": "2011-03-08T00:00:00+00:00",
        "interval_end": "2011-03-08T00:05:00+00:00",
        "model_yaml": "",
    }
    what_if = run | {"run_id": "what if", "model_yaml": str(other)}
    rolled_up, live, asked, changed, nothing = run_steps(
        store,
        tmp_path,
        ("roll_up", run),
        ("check_error", run),
        ("check_error", what_if),
        ("reevaluate", run),
        ("reevaluate", what_if),
    )
    assert rolled_up["model"] == "bike_demand"
    assert [(item["value"], item["limit"], item["verdict"]) for item in live] == [
        (0, 12.5, "passed"),
        (15, 22.5, "passed"),
    ]
    assert [(item["value"], item["limit"], item["verdict"]) for item in asked] == [(15, 14, "failed")]
    assert (changed, nothing) == ([], [])
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT run_id, verdict FROM check_result")
        assert cursor.fetchall() == [("run", "passed")] * 2
