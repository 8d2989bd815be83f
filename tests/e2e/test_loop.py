"""The loop turns through a real Airflow: the demo, up to its first automatic release. Its traces are read then."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml

from cyclone.places import REPOSITORY
from cyclone.policy.incidents import find_open_incident
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store
from cyclone.times import DAY, HOUR, floor_day
from local_platform.airflow_client import AirflowClient
from local_platform.platform_record import PlatformRecord, read_status
from local_platform.replay.history import find_position
from local_platform.replay.traffic import HistoryRow, Replay
from local_platform.webhooks import find_webhook_secret
from tests.e2e.lineage import (
    fetch_page,
    find_addresses,
    find_lineage,
    find_tags,
    list_things,
    read_assertions,
    read_events,
    read_mlflow,
    read_tags,
)
from tests.e2e.pages import list_pages
from tests.support.browsing import list_foreign_requests, open_browser
from tests.support.grafana import Grafana, post_over_http
from tests.support.serving import ROW
from tests.support.statements import execute
from tests.support.watching import count_connections, find_program, forget_tests, list_foreign, watch
from training.data.history import read_history

pytestmark = pytest.mark.e2e
BIN = Path(sys.executable).parent
STARTERS = ("strace", "make", "sh")
"""What stands between a test and the program that it asks make for."""
DAYS_TO_FIRST_ALARM = 25
"""The error rises in mid-February; a second release could come from March on, after the cooldown."""
BACKFILL_SECONDS = 180
RETRAINING_SECONDS = 180
REQUESTS_A_SECOND = 4
"""Enough that a step of the canary has its requests in two seconds."""
RISEN = {"cyclone": "retrain", "model": "bike_demand"}


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loop") / "state"


@pytest.fixture(scope="module")
def environment(state_dir: Path) -> dict[str, str]:
    return forget_tests(dict(os.environ)) | {"CYCLONE_WORK_DIR": str(state_dir), "COLUMNS": "120"}


@pytest.fixture(scope="module")
def watches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what strace saw of the demo and of the platform."""
    return tmp_path_factory.mktemp("watches")


def list_processes_of(state_dir: Path) -> list[str]:
    """Every process that names the state directory in its command or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            texts = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if process.pid != os.getpid() and any(str(state_dir) in text for text in texts) and "strace" not in texts:
            found.append(" ".join(process.cmdline()))
    return found


def test_the_demo_retrains_and_releases_because_the_error_rose(
    state_dir: Path, environment: dict[str, str], watches: Path
) -> None:
    """Exit code 0 means that every claim held: see local_platform/demo_claims.py."""
    command = watch(["make", "--silent", "demo", f"DAYS={DAYS_TO_FIRST_ALARM}", "KEEP=1"], watches / "demo")
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        said = "".join(follow_demo(demo))
    assert demo.returncode == 0, said
    assert "version 2 has all traffic" in said
    assert " 0 failed" in said
    assert (state_dir / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert list_processes_of(state_dir) == []


def follow_demo(demo: "subprocess.Popen[str]") -> Iterator[str]:
    """Follow the demo and return what it says. Where all stays up, ask its service and end it."""
    address = ""
    for line in demo.stdout or ():
        yield line
        if line.startswith("the model's service"):
            address = line.split()[-1]
        if "Everything stays up until Ctrl-C" in line:
            assert requests.get(f"{address}/readyz", timeout=60).status_code == 200
            running = psutil.Process(demo.pid).children(recursive=True)
            next(each for each in running if each.name() not in STARTERS).terminate()


def run_make(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A target of the Makefile, as the README tells to give it."""
    command = ["make", "--silent", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def platform(
    state_dir: Path, environment: dict[str, str], watches: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PlatformRecord]:
    """The platform again, as `make up` brings it back with what the demo left. Its model may be retrained at once."""
    models = shutil.copytree(REPOSITORY / "models", tmp_path_factory.mktemp("loop") / "models")
    spec = models / "bike_demand" / "model.yaml"
    spec.write_text(spec.read_text().replace("retrain:\n", "retrain:\n  cooldown_days: 0\n  budget_per_week: 9\n", 1))
    environment["CYCLONE_MODELS_DIR"] = str(models)
    command = watch(["make", "--silent", "up"], watches / "platform")
    with (watches / "up.log").open("wb") as log:
        subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, stdout=log, stderr=log)
    record = PlatformRecord.read(state_dir)
    assert record is not None, (watches / "up.log").read_text()
    yield record
    assert run_make(environment, "down").stdout == "Stopped.\n"
    assert list_processes_of(state_dir) == []


def test_the_version_that_the_loop_released_serves_again_after_a_restart(platform: PlatformRecord) -> None:
    row = {**ROW, "weekday": 1}
    address = read_service_address(platform)
    reply = requests.post(f"{address}/predict", json={"rows": [row]}, timeout=60)
    assert reply.status_code == 200
    assert reply.json()["version"] == 2
    refused = requests.post(f"{address}/predict", json={"rows": [row | {"hour": 24}]}, timeout=60)
    assert refused.status_code == 400
    assert "hour" in refused.text


def test_status_tells_what_runs_and_what_serves(platform: PlatformRecord, environment: dict[str, str]) -> None:
    shown = run_make(environment, "status")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "v2 100 %" in shown.stdout
    assert f"bike_demand answers at {read_service_address(platform)}" in shown.stdout
    assert f"alerts go to {platform.airflow.address}/cyclone/webhooks/grafana" in shown.stdout


def test_what_the_loop_released_can_be_explained_and_made_again(
    platform: PlatformRecord, environment: dict[str, str]
) -> None:
    newest = "SELECT id FROM prediction_log WHERE version = 2 ORDER BY created_at DESC LIMIT 1"
    ((identity,),) = execute(Store(platform.store_dsn), newest)
    found = json.loads(run_cyclone(environment, "explain", identity, "--json"))
    assert found["prediction"]["version"] == found["version"]["version"] == 2
    assert (found["incident"]["outcome"], found["retraining"]["outcome"]) == ("promoted", "promoted")
    first = next(alarm for alarm in found["alarms"] if alarm["source"].startswith("replay__"))
    assert (first["action"], first["decided"]) == ("retrain", found["incident"]["reason"])
    assert any(check["kind"] == "error" and check["verdict"] != "no_data" for check in found["checks"])
    assert found["gate"]["is_passed"] is True
    (release,) = found["releases"]
    assert (release["state"], release["image_digest"][:7]) == ("champion", "sha256:")
    assert [step["traffic_percent"] for step in release["steps"]] == [10, 30]

    made = run_cyclone(environment, "reproduce", "bike_demand", "--version", "2")
    assert made.endswith("the same, bit for bit: predictions, metrics and the arrays of the model file\n"), made
    assert found["dataset"]["fingerprint"] in made

    check_mlflow(platform, found)
    check_openlineage(platform, found)


@pytest.mark.parametrize("database", ["cyclone", "mlflow"])
def test_what_is_kept_of_the_loop_holds_no_address_that_another_start_may_change(
    platform: PlatformRecord, database: str
) -> None:
    assert find_addresses(platform, database) == []


def check_mlflow(platform: PlatformRecord, found: dict[str, Any]) -> None:
    """Run and version carry the same tags as `explain` tells."""
    expected = {
        "cyclone.run_id": found["retraining"]["run_id"],
        "cyclone.incident": str(found["incident"]["incident_id"]),
        "cyclone.incident.reason": found["incident"]["reason"],
        "cyclone.fingerprint": found["dataset"]["fingerprint"],
        "cyclone.gate": "passed",
        "cyclone.gate.reason": found["gate"]["reason"],
        "cyclone.revision": found["releases"][0]["revision"],
        "cyclone.image": "bike_demand:v2",
        "cyclone.image_digest": found["releases"][0]["image_digest"],
    }
    version = read_mlflow(platform, "model-versions/get", name="bike_demand", version="2")["model_version"]
    run = read_mlflow(platform, "runs/get", run_id=version["run_id"])["run"]
    failed = [check for check in found["checks"] if check["verdict"] == "failed"]
    opened_it = next(alarm["source"] for alarm in found["alarms"] if alarm["source"].startswith("replay__"))
    at_first = {check["check_name"] for check in failed if check["run_id"] == opened_it}
    for told in (read_tags(version), read_tags(run["data"])):
        assert {name: told.get(name) for name in expected} == expected
        # The error trigger looks at other days than the checks, so that it may fire while every check passes.
        # Alarms that joined before the training add theirs, and those that joined later do not.
        names = {line.split(" of ")[0] for line in told["cyclone.evaluation"].splitlines()}
        assert at_first <= names <= {check["check_name"] for check in failed} or (names, at_first) == (
            {"none failed"},
            set(),
        )


def check_openlineage(platform: PlatformRecord, found: dict[str, Any]) -> None:
    """Every task of the newest retraining told what it read and made, and that it began and ended."""
    told = find_lineage(platform.state_dir, "bike_demand")
    run_id, fingerprint = found["retraining"]["run_id"], found["dataset"]["fingerprint"]
    mlflow = "mlflow://cyclone"
    version = read_mlflow(platform, "model-versions/get", name="bike_demand", version="2")["model_version"]
    frame = ("file", str(platform.state_dir / "retrainings" / "bike_demand" / run_id / "dataset.parquet"), fingerprint)
    model, registered = (mlflow, f"runs/{version['run_id']}/model", None), (mlflow, "models/bike_demand", "2")
    image = ("bento", "bike_demand:v2", found["releases"][0]["image_digest"])
    revision = ("cloudrun://local/local", "bike-demand", "bike-demand-v2")
    log = list_things(told["dataset"]["inputs"])
    assert log == [("postgres://cyclone", f"cyclone.public.{table}", None) for table in ("prediction_log", "label")]
    assert {task: (list_things(event["inputs"]), list_things(event["outputs"])) for task, event in told.items()} == {
        "dataset": (log, [frame]),
        "validate": ([frame], []),
        "train": ([frame], [model]),
        "gate": ([frame, model], []),
        "register": ([model], [registered]),
        "image": ([registered], [image]),
        "candidate": ([image], [revision]),
        "rehearse": ([*log, registered, revision], []),
        "promote": ([revision], [("cloudrun://local/local", "bike-demand/traffic", "bike-demand-v2")]),
    }
    assert find_tags(told["dataset"])["incident"] == str(found["incident"]["incident_id"])
    assert find_tags(told["gate"])["gate"] == "passed"
    assert (
        told["dataset"]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == found["dataset"]["row_count"]
    )
    held = read_assertions(told["validate"])
    assert len(held) > 20
    assert all(item["success"] for item in held)

    every = read_events(platform.state_dir, "")
    assert all(event["job"]["name"].startswith("retrain__bike_demand.") for event in every)
    ended = {event["job"]["name"].split(".")[1] for event in every if event["eventType"] == "COMPLETE"}
    assert {"start", *told} <= ended


def run_cyclone(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([BIN / "cyclone", *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read_service_address(platform: PlatformRecord) -> str:
    services = requests.get(
        f"{platform.build_address('cloud_run')}/v2/projects/local/locations/local/services/bike-demand", timeout=30
    )
    address: str = services.json()["uri"]
    return address


def test_a_backfill_gives_the_verdicts_of_the_live_runs_and_starts_nothing(
    platform: PlatformRecord, environment: dict[str, str]
) -> None:
    store = Store(platform.store_dsn)
    incidents_before = count(store, "incident")
    run_airflow(
        environment,
        "backfill create --dag-id monitor__bike_demand --from-date 2011-02-14 --to-date 2011-02-18 --max-active-runs 1",
    )
    airflow = AirflowClient(platform.airflow.address)
    runs = [f"backfill__2011-02-{day}T00:00:00+00:00" for day in range(15, 20)]  # named by their interval's end
    for run in runs:
        assert airflow.wait_for_dag_run("monitor__bike_demand", run, BACKFILL_SECONDS)["state"] == "success"
    live = read_verdicts(store, "replay__%")
    backfilled = read_verdicts(store, "backfill__%")
    assert len(backfilled) == 5 * 12
    assert {verdict: live.get(verdict) for verdict in backfilled} == backfilled
    assert any(key[1] == "error" and value[0] != "no_data" for key, value in backfilled.items())
    assert count(store, "incident") == incidents_before


def test_a_backfill_with_another_configuration_shows_what_it_decides_and_records_nothing(
    platform: PlatformRecord, environment: dict[str, str], tmp_path: Path
) -> None:
    store = Store(platform.store_dsn)
    config = yaml.safe_load((REPOSITORY / "models/bike_demand/model.yaml").read_text())
    config["monitor"] = {"error": {"mean_absolute_error": {"limit": 0.01}}}
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(config))
    before = count(store, "check_result"), count(store, "incident")
    conf = json.dumps({"model_yaml": str(other)}, separators=(",", ":"))
    wait_until_backfills_ended(platform)
    run_airflow(
        environment,
        "backfill create --dag-id monitor__bike_demand --from-date 2011-02-10 --to-date 2011-02-10"
        f" --max-active-runs 1 --dag-run-conf {conf}",
    )
    run = "backfill__2011-02-11T00:00:00+00:00"
    airflow = AirflowClient(platform.airflow.address)
    assert airflow.wait_for_dag_run("monitor__bike_demand", run, BACKFILL_SECONDS)["state"] == "success"
    (verdict,) = [item for item in read_xcom(platform, run, "check_error") if item["check_name"] != "bias"]
    assert (verdict["verdict"], verdict["window_end"]) == ("failed", "2011-02-11T00:00:00+00:00")
    assert (count(store, "check_result"), count(store, "incident")) == before


def test_every_run_of_the_monitor_tells_its_asset_the_counts_of_its_verdicts(platform: PlatformRecord) -> None:
    events = requests.get(f"{platform.airflow.address}/api/v2/assets/events?limit=1000", timeout=30).json()
    extras = {
        event["extra"]["run_id"]: event["extra"] for event in events["asset_events"] if "run_id" in event["extra"]
    }
    store = Store(platform.store_dsn)
    recorded = execute(
        store,
        "SELECT run_id, count(*) FILTER (WHERE verdict = 'passed'), count(*) FILTER (WHERE verdict = 'failed')"
        " FROM check_result WHERE run_id LIKE 'backfill%' GROUP BY run_id",
    )
    assert len(recorded) == 5  # one for each day that was filled in
    for run_id, passed, failed in recorded:
        assert (extras[run_id]["passed"], extras[run_id]["failed"], extras[run_id]["is_live"]) == (
            passed,
            failed,
            False,
        )


def test_an_alert_alone_opens_an_incident_that_one_retraining_answers_with_a_new_version(
    platform: PlatformRecord, environment: dict[str, str]
) -> None:
    """Two Grafanas of a highly available pair send it. Whatever else they send starts nothing."""
    store, spec = Store(platform.store_dsn), find_model(Path(environment["CYCLONE_MODELS_DIR"]), "bike_demand")
    before = count(store, "incident"), count(store, "retraining")
    secret = find_webhook_secret(platform.airflow).read_text()
    post = post_over_http(f"{platform.airflow.address}/cyclone/webhooks/grafana")
    pair = [Grafana(post, secret, address=f"http://grafana-{number}:3000/") for number in range(2)]
    for grafana in pair:
        assert grafana.press_test_button()[0] == 200
        grafana.fail("Error has risen", RISEN, "DatasourceError")
        grafana.fire("Error has risen", {"model": "bike_demand"})
        grafana.fire("Error has risen", {"model": "no_such_model", "cyclone": "retrain"})
        assert grafana.send(grafana.build_body())[0] == 200
        grafana.alerts.clear()
    assert (count(store, "incident"), count(store, "retraining")) == before
    for grafana in pair:
        grafana.fire("Error has risen", RISEN)
    runs = {grafana.send(grafana.build_body())[1]["alerts"][0]["run"] for grafana in pair * 25}
    assert len(runs) == 1
    drive_until_closed(platform, store, spec)
    number, outcome, version = execute(
        store,
        "SELECT incident_id, incident.outcome, version FROM incident JOIN retraining USING (incident_id)"
        " WHERE run_id = %(run)s",
        run=runs.pop(),
    )[0]
    assert (outcome, version) == ("promoted", 3)
    assert (count(store, "incident"), count(store, "retraining")) == (before[0] + 1, before[1] + 1)
    told = run_cyclone(environment, "explain", "incident", str(number))
    assert "requested by alert Error has risen of http://grafana-0:3000" in told
    assert read_service_version(platform) == 3


def drive_until_closed(platform: PlatformRecord, store: Store, spec: ModelSpec) -> None:
    """Send the rows that follow those of the demo, so that a canary has requests, until no incident is open."""
    row = store.fetch_one("log/newest_event", model=spec.name)
    assert row is not None
    newest = row["newest"]
    history = read_history(spec, REPOSITORY / "models" / "bike_demand")
    rows = (HistoryRow(**row) for row in history if row["created_at"] > newest)
    replay = Replay(spec, read_service_address(platform))
    deadline = time.monotonic() + RETRAINING_SECONDS
    while find_open_incident(store, spec.name) is not None:
        assert time.monotonic() < deadline, f"the incident is open after {RETRAINING_SECONDS} s"
        replay.send(next(rows))
        time.sleep(1 / REQUESTS_A_SECOND)
    assert replay.failures == []


def read_service_version(platform: PlatformRecord) -> int:
    """The version that answers."""
    reply = requests.post(f"{read_service_address(platform)}/predict", json={"rows": [ROW]}, timeout=60)
    version: int = reply.json()["version"]
    return version


def read_xcom(platform: PlatformRecord, run: str, task: str) -> Any:
    """What a task of a run of the monitor returned."""
    path = f"/api/v2/dags/monitor__bike_demand/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value"
    reply = requests.get(platform.airflow.address + path, params={"deserialize": True}, timeout=30)
    value = reply.json()["value"]
    return json.loads(value) if isinstance(value, str) else value


def test_rows_that_break_the_rules_fail_a_retraining_and_leave_the_champion(
    platform: PlatformRecord, environment: dict[str, str]
) -> None:
    store = Store(platform.store_dsn)
    releases = count(store, "release")
    execute(
        store,
        "INSERT INTO label (model, id, label, observed_at)"
        " SELECT model, id, '-5', observed_at FROM label WHERE id = 'replay-2011-02-10T08:00:00Z'",
    )
    run_airflow(environment, "dags trigger retrain__bike_demand --run-id asked_for_by_hand")
    airflow = AirflowClient(platform.airflow.address)
    run = airflow.wait_for_dag_run("retrain__bike_demand", "asked_for_by_hand", RETRAINING_SECONDS)
    assert run["state"] == "failed"
    (outcome, reason) = execute(
        store,
        "SELECT incident.outcome, retraining.reason FROM incident JOIN retraining USING (incident_id)"
        " WHERE run_id = 'asked_for_by_hand' AND closed_at IS NOT NULL",
    )[0]
    assert outcome == "failed"
    assert reason.startswith("validate: bike_demand: "), reason
    assert "row replay-2011-02-10T08:00:00Z = -5" in reason
    (failed,) = [
        event
        for event in read_events(platform.state_dir, "retrain__bike_demand.validate")
        if event["eventType"] == "FAIL"
    ]
    assert "row replay-2011-02-10T08:00:00Z = -5" in failed["run"]["facets"]["errorMessage"]["message"]
    held = read_assertions(find_lineage(platform.state_dir, "bike_demand")["validate"])
    assert [item["column"] for item in held if not item["success"]] == ["label"]
    path = "dags/retrain__bike_demand/dagRuns/asked_for_by_hand/taskInstances/validate/links"
    links = requests.get(f"{platform.airflow.address}/api/v2/{path}", timeout=30).json()
    (link,) = [link for link in links["extra_links"].values() if link and "validation" in link]
    assert "replay-2011-02-10T08:00:00Z" in fetch_page(platform, link)
    assert count(store, "release") == releases
    assert execute(store, "SELECT version, traffic_percent FROM release WHERE state = 'champion'") == [(3, 100)]


def test_the_replay_goes_on_where_the_demo_stopped(platform: PlatformRecord, environment: dict[str, str]) -> None:
    """The demo is `cyclone replay`, so the command takes up what the demo and the rows after it have left."""
    store = Store(platform.store_dsn)
    newest = find_position(store, "bike_demand")
    assert newest is not None
    end = floor_day(newest) + 2 * DAY
    command = ("replay", "bike_demand", "--to", f"{end:%Y-%m-%d}")
    said = run_cyclone(environment, *command)
    assert f"Replayed so far, up to {newest:%Y-%m-%d %H:%M}. It goes on." in said
    assert " 0 failed" in said
    assert find_position(store, "bike_demand") == end - HOUR
    run = f"replay__{end - DAY:%Y-%m-%d}"
    assert AirflowClient(platform.airflow.address).get_dag_run("monitor__bike_demand", run)["state"] == "success"
    assert "Replayed already" in run_cyclone(environment, *command)
    shown = subprocess.run([BIN / "cyclone", "status", "bike_demand", "--json"], env=environment, capture_output=True)
    document = json.loads(shown.stdout)
    assert (document["version"], document["at"]) == (3, end.isoformat())


def test_no_page_asks_another_host(platform: PlatformRecord) -> None:
    pages = list_pages(platform, read_service_address(platform))
    with open_browser() as browser:
        asked = {address: list_foreign_requests(browser, address, shown) for address, shown in pages.items()}
    assert {address: urls for address, urls in asked.items() if urls} == {}


def test_no_process_asks_another_host(platform: PlatformRecord, watches: Path) -> None:
    """Neither those of the demo, with its trainings and validations, nor those that served the pages."""
    find_program("strace")
    assert [count_connections(watches / name) > 100 for name in ("demo", "platform")] == [True, True]
    assert [line for name in ("demo", "platform") for line in list_foreign(watches / name)] == []


def test_starting_twice_is_refused_and_changes_nothing(platform: PlatformRecord, environment: dict[str, str]) -> None:
    for command in ("up", "demo"):
        again = subprocess.run([BIN / "cyclone", command], env=environment, capture_output=True, text=True)
        assert again.returncode == 1
        assert "already running" in again.stderr
    assert {part.is_up for part in read_status(platform.state_dir)} == {True}


def run_airflow(environment: dict[str, str], arguments: str) -> None:
    """The airflow command as docs tell a user to run it."""
    exports = subprocess.run(
        [BIN / "cyclone", "env"], env=environment, check=True, capture_output=True, text=True
    ).stdout
    variables = dict(
        shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in exports.splitlines() if line
    )
    command = [str(BIN / "airflow"), *arguments.split()]
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def wait_until_backfills_ended(platform: PlatformRecord) -> None:
    """Airflow has one at a time of a DAG, and notices a while after its last run that one has ended."""
    deadline = time.monotonic() + BACKFILL_SECONDS
    address, parameters = f"{platform.airflow.address}/api/v2/backfills", {"dag_id": "monitor__bike_demand"}
    while any(
        item["completed_at"] is None
        for item in requests.get(address, params=parameters, timeout=30).json()["backfills"]
    ):
        assert time.monotonic() < deadline, f"a backfill has not ended after {BACKFILL_SECONDS} s"
        time.sleep(1)


def read_verdicts(store: Store, run_pattern: str) -> dict[tuple[object, ...], tuple[object, ...]]:
    """Verdicts with their numbers to twelve digits. Postgres may add the same rows in another order, later."""
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(
            "SELECT window_end, kind, check_name, subject, version, verdict, value, sample_size, limit_value"
            " FROM check_result WHERE run_id LIKE %s AND kind <> 'service'",
            (run_pattern,),
        )
        return {row[:5]: tuple(map(shorten, row[5:])) for row in cursor.fetchall()}


def shorten(value: object) -> object:
    return float(f"{value:.12g}") if isinstance(value, float) else value


def count(store: Store, table: str) -> int:
    return int(execute(store, f"SELECT count(*) FROM {table}")[0][0])
