"""The replay against a real service and a real store: day by day, stopped and taken up, in any year."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.airflow_client import AirflowClient
from local_platform.replay.history import find_position, list_unlabelled
from local_platform.replay.run import ReplayRun
from local_platform.replay.traffic import HistoryRow, Replay
from tests.support.airflow_api import AirflowApi, run_airflow_api
from tests.support.serving import ROW, TARGET, Service, run_service
from tests.support.statements import execute

START = datetime(1955, 2, 1, tzinfo=UTC)
"""Long before the year from which a service takes times of its clients."""
DAYS = 3


@pytest.fixture
def service(bundle: Path, store: Store, tmp_path: Path) -> Iterator[Service]:
    """The service of a model whose model.yaml takes no event times, in a replay."""
    own = shutil.copytree(bundle, tmp_path / "bundle")
    path = own / "models" / "bike_demand" / "model.yaml"
    path.write_text(path.read_text().replace("accept_created_at: true", "accept_created_at: false"))
    with run_service(own, store, tmp_path, TARGET, tmp_path, {"CYCLONE_CLOCK": "replay"}) as running:
        yield running


@pytest.fixture
def airflow() -> Iterator[AirflowApi]:
    with run_airflow_api() as api:
        yield api


def make_rows(days: int = DAYS) -> list[HistoryRow]:
    hours = range(24 * days)
    return [HistoryRow(START + timedelta(hours=hour), ROW | {"hour": hour % 24}, label=hour) for hour in hours]


def make_run(spec: ModelSpec, service: Service, airflow: AirflowApi) -> ReplayRun:
    settings = Settings(store_dsn=service.store.dsn, clock="replay")
    replay = Replay(spec, f"http://127.0.0.1:{service.port}")
    return ReplayRun(Console(quiet=True), settings, spec, AirflowClient(airflow.address), replay, make_rows())


def test_the_monitor_looks_at_each_day_once_it_is_stored_and_at_no_two_at_once(
    bike_demand: ModelSpec, service: Service, airflow: AirflowApi
) -> None:
    seen: list[tuple[str, str, int]] = []

    def note(run: dict[str, Any]) -> None:
        stored = execute(service.store, "SELECT count(*) FROM prediction_log")[0][0]
        assert run["logical_date"] is None, "Airflow would start no task of a day after the DAG's end date"
        seen.append((run["dag_run_id"], run["conf"]["interval_end"], stored))

    airflow.on_trigger = note
    run = make_run(bike_demand, service, airflow)
    run.run()
    assert run.replay.failures == []
    assert seen == [
        ("replay__1955-02-01", "1955-02-02T00:00:00+00:00", 24),
        ("replay__1955-02-02", "1955-02-03T00:00:00+00:00", 48),
        ("replay__1955-02-03", "1955-02-04T00:00:00+00:00", 72),
    ]
    known = "SELECT count(*), min(known_at), max(known_at) FROM label"
    assert execute(service.store, known) == [(72, START + timedelta(days=1), START + timedelta(days=3, hours=23))]


def test_a_replay_that_was_stopped_goes_on_where_it_stopped(
    bike_demand: ModelSpec, service: Service, airflow: AirflowApi
) -> None:
    """It is stopped in the middle of the second day, as by Ctrl-C."""
    run = make_run(bike_demand, service, airflow)
    send = run.replay.send

    def send_some(row: HistoryRow) -> None:
        if row.created_at == START + timedelta(hours=30):
            raise KeyboardInterrupt
        send(row)

    run.replay.send = send_some  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run.run()
    run._await_log(make_rows()[24:30])
    position = find_position(service.store, bike_demand.name)
    assert position == START + timedelta(hours=29)

    again = make_run(bike_demand, service, airflow)
    again.go_on(position, list_unlabelled(again.rows, position, bike_demand.label.delay))
    again.run()
    assert again.replay.failures == []
    assert [answer.row.label for answer in again.replay.answers] == list(range(29, 72))
    assert [run_id for _, run_id in airflow.runs] == [f"replay__1955-02-0{day}" for day in (1, 2, 3)]
    labels = execute(service.store, "SELECT id, label FROM label ORDER BY observed_at")
    assert labels == [(row.prediction_id, row.label) for row in make_rows()]
    assert execute(service.store, "SELECT count(*), count(DISTINCT id) FROM prediction_log") == [(72, 72)]


def test_a_day_whose_monitor_failed_gets_another_run(
    bike_demand: ModelSpec, service: Service, airflow: AirflowApi
) -> None:
    airflow.runs["monitor__bike_demand", "replay__1955-02-01"] = {"state": "failed"}
    run = make_run(bike_demand, service, airflow)
    run.rows = make_rows(1)
    run.run()
    assert airflow.runs["monitor__bike_demand", "replay__1955-02-01__again"]["state"] == "success"


def test_a_pipe_gets_each_event_in_one_line_and_how_far_it_is(
    bike_demand: ModelSpec, service: Service, airflow: AirflowApi
) -> None:
    because = "requested by ada: " + "the prices of the new season are in force, " * 5
    statement = (
        "INSERT INTO hold (model, cause, opened_at, reason, run_id)"
        f" VALUES ('bike_demand', 'budget', '1955-02-01', '{because}', 'r')"
    )
    execute(service.store, statement)
    pipe = StringIO()
    run = replace(make_run(bike_demand, service, airflow), console=Console(file=pipe, width=80), rows=make_rows(1))
    run.run()
    lines = pipe.getvalue().splitlines()
    assert lines[0] == "1 day to replay."
    assert [line for line in lines if "held" in line] == [line for line in lines if because.strip() in line]
    assert any(line.startswith("1955-02-01  1 of 1 day, error over 7 days") for line in lines)


def test_the_world_goes_as_slowly_as_it_is_told(bike_demand: ModelSpec, service: Service, airflow: AirflowApi) -> None:
    run = replace(make_run(bike_demand, service, airflow), speed=12.0)
    assert [run._choose_seconds(timedelta(hours=hours)) for hours in (0, 6, 24, 24 * 30)] == [0, 0.5, 2, 2]
    assert replace(run, speed=None)._choose_seconds(timedelta(hours=6)) == 0
