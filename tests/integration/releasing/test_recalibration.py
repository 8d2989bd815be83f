"""A calibration as a light release: fitted from labels in a real store, served by the local Cloud Run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from cyclone.calibration.correction import Calibration
from cyclone.calibration.looks import is_recalibration_due, read_calibration
from cyclone.errors import ReleaseError, StaleReleaseError
from cyclone.releases import current_release
from cyclone.sections import Recalibrate
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.candidate import shift_traffic
from releasing.cloud_run import CloudRun
from releasing.commands import roll_back_by_hand
from releasing.promotion import promote, roll_back
from releasing.recalibration import (
    Recalibration,
    deploy_calibration,
    recalibrate,
    withdraw_calibration,
)
from releasing.reconcile import reconcile
from tests.support.dag_runner import DagRunner, run_dag_runner
from tests.support.staged_releases import (
    HERE,
    SERVICE,
    StartCloudRun,
    ask_who,
    deploy,
    deploy_trained,
    read_percents,
    register_versions,
    release_version,
)
from tests.support.statements import execute
from training.data.dataset import build_dataset
from training.data.history import read_history
from training.data.known_rows import read_known_rows
from training.fit.train import train_challenger
from training.gate.comparison import compare_with_champion
from training.tracking.client import connect

MODEL = Path(__file__).resolve().parents[3] / "models" / "bike_demand"
NOW = datetime(2011, 2, 12, tzinfo=UTC)
RATIO = Calibration("ratio", (1.25,))
KNOWN = (
    "INSERT INTO calibration (model, version, run_id, method, parameters, fitted_at, row_count, reason)"
    " VALUES ('bike_demand', 1, %(run)s, 'ratio', '{1.25}', now(), 1, '') RETURNING calibration_id"
)


@pytest.fixture
def bike_demand(bike_demand: ModelSpec) -> ModelSpec:
    """The model with the default recalibration, every day. Only people ask for a retraining."""
    retrain = bike_demand.retrain.model_copy(update={"triggered_by": ("request",)})
    return bike_demand.model_copy(update={"recalibrate": Recalibrate(), "retrain": retrain})


@pytest.fixture
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagRunner]:
    with run_dag_runner(tmp_path_factory.mktemp("airflow")) as runner:
        yield runner


def write_model(spec: ModelSpec, folder: Path) -> Path:
    """A folder of models with this one."""
    (folder / spec.name).mkdir(parents=True)
    (folder / spec.name / "model.yaml").write_text(yaml.safe_dump(spec.model_dump(mode="json")))
    shutil.copy(MODEL / "pipeline.py", folder / spec.name)
    return folder


def test_a_calibration_is_a_new_revision_of_the_same_image_and_so_is_its_withdrawal(
    cloud: Settings, store: Store, small: ModelSpec
) -> None:
    register_versions(cloud, 1)
    first = release_version(cloud, small, 1)
    serving = {"memory": "1Gi", "cpu": "2", "min_instances": 1, "concurrency": 1}
    edited = small.model_copy(update={"serving": small.serving.model_copy(update=serving)})
    image = ""
    for number in (1, 2, 3):
        ((identity,),) = execute(store, KNOWN, run=f"day {number}")
        champion = current_release(store, "bike_demand")
        assert champion is not None
        assert deploy_calibration(cloud, edited, champion, identity, RATIO, NOW) == f"bike-demand-v1-c{number}"
        expected = small.serving.model_copy(
            update={"min_instances": edited.serving.min_instances}
        )  # the service has it
        assert CloudRun(cloud).read_serving(SERVICE, f"bike-demand-v1-c{number}", edited.serving) == expected
        assert read_percents(cloud) == {f"bike-demand-v1-c{number}": 100}
        assert ask_who(first.service_address) == f"bike-demand-v1-c{number}"
        image = champion.image
    assert CloudRun(cloud).list_revisions(SERVICE) == ["bike-demand-v1-c3", "bike-demand-v1-c2"]
    served = current_release(store, "bike_demand")
    assert served is not None
    assert (served.revision, served.image, served.state) == ("bike-demand-v1-c3", image, "champion")
    assert read_calibration(store, "bike_demand", served.revision) == RATIO

    assert withdraw_calibration(cloud, small, "Ada", "prices are back", NOW) == "bike-demand-v1-c4"
    assert read_percents(cloud) == {"bike-demand-v1-c4": 100}
    assert ask_who(first.service_address) == "bike-demand-v1-c4"
    raw = current_release(store, "bike_demand")
    assert raw is not None
    assert (raw.revision, raw.image, raw.state) == ("bike-demand-v1-c4", image, "champion")
    assert read_calibration(store, "bike_demand", raw.revision) is None
    kept = execute(store, "SELECT revision, method, asked_by, reason FROM calibration ORDER BY calibration_id DESC")
    assert kept[0] == ("bike-demand-v1-c4", None, "Ada", "withdrawn by Ada: prices are back")
    withdrawn = execute(store, "SELECT revision FROM calibration WHERE withdrawn_at IS NOT NULL")
    assert withdrawn == [("bike-demand-v1-c3",)]
    assert recalibrate(cloud, small, NOW).reason == "withdrawn by Ada: prices are back"
    assert not is_recalibration_due(store, small, NOW)
    with pytest.raises(ReleaseError, match="the champion has no calibration to withdraw"):
        withdraw_calibration(cloud, small, "Ada", "again", NOW)


def test_a_version_can_be_released_and_rolled_out_over_a_calibrated_one(
    cloud: Settings, store: Store, small: ModelSpec
) -> None:
    register_versions(cloud, 2)
    release_version(cloud, small, 1)
    ((identity,),) = execute(store, KNOWN, run="day")
    champion = current_release(store, "bike_demand")
    assert champion is not None
    deploy_calibration(cloud, small, champion, identity, RATIO, NOW)
    candidate = deploy(cloud, small, 2)
    shift_traffic(cloud, small, candidate, 20)
    assert read_percents(cloud) == {"bike-demand-v1-c1": 80, "bike-demand-v2": 20}
    assert recalibrate(cloud, small, NOW).reason == "a release is under way"
    assert not is_recalibration_due(store, small, NOW)
    with pytest.raises(ReleaseError, match=r"a release is under way\. End it first with `cyclone promote bike_demand`"):
        withdraw_calibration(cloud, small, "Ada", "", NOW)
    present = current_release(store, "bike_demand")
    assert present is not None
    with pytest.raises(StaleReleaseError, match="another release took over while bike-demand-v1-c9 started"):
        deploy_calibration(cloud, small, present, 9, RATIO, NOW)
    running = CloudRun(cloud).read_service(SERVICE)
    assert running is not None
    assert running.percents == {"bike-demand-v1-c1": 80, "bike-demand-v2": 20}
    assert running.tags == {"v1": "bike-demand-v1-c1", "v2": "bike-demand-v2"}
    with pytest.raises(StaleReleaseError, match="another release took over while bike-demand-v1-c1 started"):
        deploy_calibration(cloud, small, champion, 1, RATIO, NOW)  # a run that was overtaken by one of the same day
    assert ask_who(running.tag_addresses["v1"]) == "bike-demand-v1-c1"
    roll_back(cloud, small, "run_2", "it was slow")
    again = current_release(store, "bike_demand")
    assert again is not None
    deploy_calibration(cloud, small, again, 10, RATIO, NOW)
    left = ["bike-demand-v1-c10", "bike-demand-v2", "bike-demand-v1-c1"]
    assert CloudRun(cloud).list_revisions(SERVICE) == left


def test_the_command_rolls_back_a_calibration_before_the_version_and_that_holds(
    cloud: Settings, store: Store, small: ModelSpec, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CYCLONE_CLOUD_RUN_ENDPOINT", cloud.cloud_run_endpoint)
    monkeypatch.setenv("USER", "ada")
    monkeypatch.setenv("LOGNAME", "ada")
    register_versions(cloud, 2)
    release_version(cloud, small, 1)
    second = release_version(cloud, small, 2)
    for number in (1, 2):
        ((identity,),) = execute(store, KNOWN.replace("1, %(run)s", "2, %(run)s"), run=f"day {number}")
        champion = current_release(store, "bike_demand")
        assert champion is not None
        deploy_calibration(cloud, small, champion, identity, RATIO, NOW)

    roll_back_by_hand("bike_demand", because="prices are back")
    assert "bike-demand-v2-c1 has all traffic, without the last calibration" in capsys.readouterr().out
    assert ask_who(second.service_address) == "bike-demand-v2-c1"
    assert reconcile(cloud, small) == []
    running = CloudRun(cloud).read_service(SERVICE)
    assert running is not None
    assert running.tags == {"v1": "bike-demand-v1", "v2": "bike-demand-v2-c1"}
    held = recalibrate(cloud, small, NOW + timedelta(days=1))
    assert held == Recalibration("bike-demand-v2-c1", False, "rolled back by hand (ada): prices are back")
    events = [(row["event"], row["detail"]) for row in store.fetch("lineage/timeline", model="bike_demand")]
    assert ("promoted", "bike-demand-v2") in events
    assert [event for event in events if "calibrat" in event[0]] == [
        ("recalibrated", "bike-demand-v2-c1: "),
        ("recalibrated", "bike-demand-v2-c2: "),
        ("calibration withdrawn", "bike-demand-v2-c2: rolled back by hand (ada): prices are back"),
    ]

    roll_back_by_hand("bike_demand", because="still wrong")
    assert ask_who(second.service_address) == "bike-demand-v1"
    assert read_percents(cloud) == {"bike-demand-v1": 100}


def test_a_calibration_that_comes_up_is_not_taken_for_a_stray_tag(
    cloud: Settings, store: Store, small: ModelSpec
) -> None:
    register_versions(cloud, 2)
    release_version(cloud, small, 1)
    release_version(cloud, small, 2)
    image = str(HERE / "cloud_run_image.py")
    CloudRun(cloud).deploy(SERVICE, "bike-demand-v2-c1", "v2", image, small.serving, {})
    assert reconcile(cloud, small) == []
    CloudRun(cloud).move_tag(SERVICE, "v1", "bike-demand-v2")
    assert [drift.where for drift in reconcile(cloud, small)] == ["tags"]
    running = CloudRun(cloud).read_service(SERVICE)
    assert running is not None
    assert running.tags == {"v2": "bike-demand-v2-c1"}


def test_a_model_without_a_version_or_that_turned_it_off_is_left_alone(
    cloud: Settings, store: Store, small: ModelSpec
) -> None:
    assert recalibrate(cloud, small, NOW).reason == "no version serves"
    assert not is_recalibration_due(store, small, NOW)
    off = small.model_copy(update={"recalibrate": small.recalibrate.model_copy(update={"enabled": False})})
    register_versions(cloud, 1)
    release_version(cloud, off, 1)
    assert recalibrate(cloud, off, NOW).reason == "recalibrate.enabled is false"
    assert not is_recalibration_due(store, off, NOW)
    assert is_recalibration_due(store, small, NOW)
    with pytest.raises(ReleaseError, match="the champion has no calibration to withdraw"):
        withdraw_calibration(cloud, off, "Ada", "", NOW)


def test_the_monitor_corrects_a_served_model_by_the_labels_that_came_in(
    start_cloud_run: StartCloudRun,
    bike_demand: ModelSpec,
    january: int,
    bento_home: Path,
    runner: DagRunner,
    tmp_path: Path,
) -> None:
    """Twice the demand that the model has learned: its answers rise, and the log tells which calibration gave them."""
    settings = start_cloud_run("bento")
    store = Store(settings.store_dsn)
    candidate, version = deploy_trained(settings, bike_demand)
    promote(settings, bike_demand, candidate)
    rows = [
        row
        for row in read_history(bike_demand, MODEL)
        if "2011-02-01" <= f"{row['created_at']:%Y-%m-%d}" < "2011-02-12"
    ]
    plain = ask(candidate.service_address, rows)
    label(candidate.service_address, rows)
    wait_until_logged(store, len(rows))

    environment = {
        "CYCLONE_STORE_DSN": store.dsn,
        "CYCLONE_MODELS_DIR": str(write_model(bike_demand, tmp_path / "models")),
        "CYCLONE_WORK_DIR": str(settings.work_dir),
        "CYCLONE_CLOCK": "replay",
        "CYCLONE_CLOUD_RUN_ENDPOINT": settings.cloud_run_endpoint,
        "MLFLOW_TRACKING_URI": settings.mlflow_uri,
    }
    result, said = runner.run("monitor", environment, moment=NOW.isoformat())
    assert (result["run"], result["tasks"]["recalibrate"]) == ("success", "success")
    assert "bike-demand-v1-c1 is new: ratio" in said
    ((since, fingerprint),) = execute(store, "SELECT since, fingerprint FROM calibration")
    midnight = NOW.replace(hour=0).isoformat()
    again = read_known_rows(settings, bike_demand, as_of=midnight, since=since.isoformat())
    assert again.fingerprint == fingerprint
    tags = connect(settings).get_model_version("bike_demand", str(version)).tags
    assert tags["cyclone.revision"] == "bike-demand-v1-c1"
    assert tags["cyclone.fitting"].startswith("ratio ")
    calibration = read_calibration(store, "bike_demand", "bike-demand-v1-c1")
    assert calibration is not None
    assert 1.5 < calibration.values[0] < 2.5
    corrected = ask(candidate.service_address, rows[:1], prefix="again-")
    assert corrected["again-0"] == pytest.approx(plain["0"] * calibration.values[0])
    later, _ = runner.run("monitor", environment, moment=(NOW + timedelta(hours=5)).isoformat())
    assert (later["run"], later["tasks"]["recalibrate"]) == ("success", "skipped")
    assert recalibrate(settings, bike_demand, NOW + timedelta(hours=5)).is_new is False

    wait_until_logged(store, len(rows) + 1)
    told = execute(
        store,
        "SELECT id, calibration_id, method FROM prediction_calibration WHERE id IN ('0', 'again-0') ORDER BY id",
    )
    assert told == [("0", None, None), ("again-0", 1, "ratio")]

    # A challenger has to beat what would have been answered, not what the version alone would say.
    doubled = build_dataset(settings, bike_demand, "run_2", NOW)
    fresh = train_challenger(settings, bike_demand, doubled, "run_2")
    beaten = compare_with_champion(settings, bike_demand, doubled, fresh)
    command = [sys.executable, "-m", "cyclone", "withdraw-calibration", "bike_demand", "--because", "prices are back"]
    said = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True).stdout
    assert said == "bike-demand-v1-c2 of bike_demand answers, without a calibration\n"
    raw = compare_with_champion(settings, bike_demand, doubled, fresh)
    assert beaten.challenger_error == raw.challenger_error
    assert beaten.champion_error is not None
    assert raw.champion_error is not None
    assert beaten.champion_error < 0.7 * raw.champion_error


def ask(address: str, rows: list[dict[str, Any]], prefix: str = "") -> dict[str, float]:
    body = {
        "rows": [row["features"] for row in rows],
        "ids": [f"{prefix}{place}" for place in range(len(rows))],
        "created_at": [row["created_at"].isoformat() for row in rows],
    }
    reply = requests.post(f"{address}/predict", json=body, timeout=60)
    assert reply.status_code == 200, reply.text
    return {item["id"]: item["prediction"] for item in reply.json()["predictions"]}


def label(address: str, rows: list[dict[str, Any]]) -> None:
    labels = [
        {
            "id": str(place),
            "label": 2 * row["label"],
            "observed_at": (row["created_at"] + timedelta(days=1)).isoformat(),
        }
        for place, row in enumerate(rows)
    ]
    reply = requests.post(f"{address}/labels", json={"labels": labels}, timeout=60)
    assert reply.status_code == 200, reply.text


def wait_until_logged(store: Store, count: int) -> None:
    import time

    deadline = time.monotonic() + 60
    while execute(store, "SELECT count(*) FROM prediction_log WHERE version IS NOT NULL") != [(count,)]:
        assert time.monotonic() < deadline, "the log did not take every answered row in time"
        time.sleep(0.1)
