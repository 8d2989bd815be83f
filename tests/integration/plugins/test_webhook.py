"""Alerts through a real API server of Airflow, through the death of Postgres, and as far as the traffic."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from cyclone.alerts.payload import Alert, AlertGroup
from cyclone.alerts.receiving import receive
from cyclone.alerts.records import StoredAlert, record, weigh_waiting
from cyclone.errors import StoreError
from cyclone.keys import add_key
from cyclone.policy.requests import ask
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.alerted_return import return_for_alert
from tests.support.api_servers import ApiServer, start_api_server
from tests.support.faults import Postgres
from tests.support.grafana import Grafana, post_over_http
from tests.support.prometheus import read_documented, run_alertmanager
from tests.support.serving import wait_until
from tests.support.staged_releases import read_percents, register_versions, release_version
from tests.support.statements import execute

REPOSITORY = Path(__file__).resolve().parents[3]
SECRET = "a-secret-of-thirty-two-characters"
RISEN = {"cyclone": "retrain", "model": "bike_demand"}


@pytest.fixture(scope="module")
def api_server(tmp_path_factory: pytest.TempPathFactory, module_store: Store) -> Iterator[ApiServer]:
    home = tmp_path_factory.mktemp("api-server")
    (home / "secret").write_text(SECRET)
    (home / "key").write_text(add_key(home / "keys.json", "alertmanager", ("alert",)))
    variables = {
        "CYCLONE_WEBHOOK_SECRET_FILE": str(home / "secret"),
        "CYCLONE_API_KEYS_FILE": str(home / "keys.json"),
    }
    with start_api_server(home, module_store, variables) as server:
        yield server


def test_an_alert_starts_one_run_of_the_monitor_in_airflow(api_server: ApiServer) -> None:
    url = f"{api_server.address}/cyclone/webhooks/grafana"
    first, twin = (Grafana(post_over_http(url), SECRET, address=f"http://grafana-{n}:3000/") for n in range(2))
    first.fire("Error has risen", RISEN)
    status, said = first.tick() or (0, {})
    assert status == 202, said
    (answer,) = said["alerts"]
    assert (answer["result"], answer["run"]) == ("retrain", f"retrain__bike_demand__incident_{answer['incident']}")
    run = f"alert__incident_{answer['incident']}"
    assert answer["reason"].endswith(f"The monitor's run {run} starts it")
    assert api_server.list_runs() == [("monitor__bike_demand", run, "queued", "alert")]
    twin.fire("Error has risen", RISEN)
    took = []
    for sender in (first, twin, first, twin):
        began = time.monotonic()
        assert sender.send(sender.build_body())[0] == 202
        took.append(time.monotonic() - began)
    assert len(api_server.list_runs()) == 1
    assert execute(api_server.store, "SELECT count(*) FROM incident") == [(1,)]
    assert min(took) < 1


def test_airflow_lets_no_one_else_in_although_it_asks_nobody_for_a_password(api_server: ApiServer) -> None:
    """Airflow adds its own bearer token to requests without one."""
    url = f"{api_server.address}/cyclone/webhooks/grafana"
    forger = Grafana(post_over_http(url), "another-secret-of-the-same-length")
    forger.fire("Error has risen", {**RISEN, "row": "forged"})
    assert forger.send(forger.build_body())[0] == 401
    before = len(api_server.list_runs())
    for method, path in (("POST", ""), ("POST", "/"), ("GET", ""), ("POST", "/../alertmanager")):
        reply = requests.request(method, url + path, json={"alerts": []}, timeout=30, allow_redirects=False)
        assert reply.status_code in (401, 404, 405), (method, path)
    assert len(api_server.list_runs()) == before
    assert SECRET not in api_server.log.read_text()


def test_an_alertmanager_with_a_key_is_let_in(api_server: ApiServer, tmp_path: Path) -> None:
    config = read_documented(api_server.address, api_server.home / "key", {"group_wait": "100ms"})
    noted = "SELECT answer, times FROM alert WHERE name = 'SlowAnswers'"
    with run_alertmanager(tmp_path, config) as alertmanager:
        alertmanager.post_alert({"alertname": "SlowAnswers", "cyclone": "note", "model": "bike_demand"})
        wait_until(lambda: execute(api_server.store, noted) == [("noted", 1)], "it is noted")
        assert alertmanager.count_failed() == 0


def test_an_api_server_without_a_secret_says_so_at_its_start(tmp_path: Path) -> None:
    """Other processes of Airflow load the plugin as well, and neither say it nor import the app."""
    code = (
        "import os, sys; os.environ.update({context}); import cyclone_airflow.plugin;"
        " late = ('cyclone.', 'cyclone_airflow.webhook', 'cyclone_airflow.page');"
        " print([name for name in sys.modules if name.startswith(late)])"
    )
    variables = os.environ | {"AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'plugins'}"}
    said = []
    for context in ({"_AIRFLOW_PROCESS_CONTEXT": "server"}, {}):
        command = [sys.executable, "-c", code.format(context=context)]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        said.append(done.stdout + done.stderr)
    assert "every alert to /cyclone/webhooks is refused: CYCLONE_WEBHOOK_SECRET_FILE is empty" in said[0]
    assert "refused" not in said[1]
    assert said[1].splitlines()[-1] == "[]"


def build_alert(action: str = "retrain", ago: timedelta = timedelta()) -> Alert:
    return Alert("Error has risen", True, True, action, "bike_demand", "0123456789abcdef", datetime.now(UTC) - ago)


def test_postgres_that_dies_after_the_write_loses_no_alert_and_before_it_leaves_nothing(
    postgres: Postgres, bike_demand: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.start()
    store = postgres.make_store("alerts")
    settings = Settings(store_dsn=store.dsn, models_dir=REPOSITORY / "models")
    alert = build_alert()
    group = AlertGroup("http://grafana:3000", (alert,))

    def ask_after_death(*arguments: Any) -> Any:
        postgres.kill()
        return ask(*arguments)

    monkeypatch.setattr("cyclone.alerts.records.ask", ask_after_death)
    (answer,) = receive(settings, group, lambda model, run: True, None)
    assert (answer.result, answer.reason) == ("recorded", "The monitor's run alert__1 answers it")
    monkeypatch.undo()
    with pytest.raises(StoreError):
        receive(settings, AlertGroup("http://grafana:3000", (build_alert(),)), lambda model, run: True, None)
    postgres.start()
    assert execute(store, "SELECT name, answer, times FROM alert") == [("Error has risen", None, 1)]
    assert execute(store, "SELECT count(*) FROM incident") == [(0,)]
    assert weigh_waiting(store, bike_demand, datetime.now(UTC)) == []
    (again,) = receive(settings, group, lambda model, run: True, None)
    assert (again.result, again.incident, again.times) == ("retrain", 1, 2)


def put_alert(store: Store, ago: timedelta = timedelta()) -> StoredAlert:
    (stored,) = record(
        store, "http://grafana:3000", [(build_alert("roll_back", ago), datetime.now(UTC))], None
    ).values()
    return stored


def test_an_alert_rolls_back_what_served_when_it_began_and_nothing_else(
    cloud: Settings, store: Store, small: ModelSpec
) -> None:
    wall = cloud.model_copy(update={"clock": "wall"})
    register_versions(wall, 3)
    for version in (1, 2, 3):
        release_version(wall, small, version)
    old = put_alert(store, ago=timedelta(minutes=10))
    result, reason = return_for_alert(wall, small, old)
    assert (result, "after the alert had begun" in reason) == ("wait", True)
    assert read_percents(wall) == {"bike-demand-v3": 100}
    execute(
        store,
        "UPDATE release SET created_at = created_at - interval '1 hour', promoted_at = promoted_at - interval '1 hour',"
        " ended_at = ended_at - interval '1 hour'",
    )
    fresh, twin = put_alert(store), put_alert(store)
    assert return_for_alert(wall, small, fresh)[0] == "done"
    assert read_percents(wall) == {"bike-demand-v2": 100}
    late_twin, wrong_clock = put_alert(store), replace(put_alert(store), started_at=datetime(2099, 1, 1, tzinfo=UTC))
    came_again = replace(put_alert(store), started_at=datetime.now(UTC) + timedelta(minutes=4))
    # a task that was killed before it noted its answer, the other Grafana at once and later, and a window still bad
    for repeated in (fresh, twin, late_twin, wrong_clock, came_again):
        result, reason = return_for_alert(wall, small, repeated)
        assert (result, "Run `cyclone rollback bike_demand` if" in reason) == ("wait", True)
    assert read_percents(wall) == {"bike-demand-v2": 100}
    (told,) = [row for row in store.fetch("lineage/timeline", model="bike_demand") if row["event"] == "rolled back"]
    assert told["detail"] == "by alert Error has risen of http://grafana:3000"
