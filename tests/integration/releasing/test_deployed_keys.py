"""The clients' keys, and all else that a revision is told, come with its deployment. Nothing else does."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import requests
from typer import Typer
from typer.testing import CliRunner

from cyclone.calibration.correction import Calibration
from cyclone.calibration.looks import is_recalibration_due, read_calibration
from cyclone.errors import ConfigurationError, ReleaseError, TrackingError
from cyclone.image_contract import (
    API_KEYS_VARIABLE,
    BENTOML_OPTIONS_VARIABLE,
    CALIBRATION_VARIABLE,
    DEPLOYED_VARIABLES,
    REVISION_VARIABLE,
    RUNTIME_VARIABLES,
    SERVICE_TARGET,
)
from cyclone.keys import add_key, revoke_key
from cyclone.releases import current_release
from cyclone.sections import Recalibrate
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.telemetry import SWITCHES
from releasing.candidate import Candidate, shift_traffic
from releasing.cloud_run import CloudRun
from releasing.commands import add_commands, redeploy, roll_back_by_hand
from releasing.promotion import promote, roll_back
from releasing.recalibration import deploy_calibration, withdraw_calibration
from releasing.reconcile import reconcile
from releasing.redeployment import deploy_again
from tests.support.serving import ROW, wait_until
from tests.support.staged_releases import (
    HERE,
    SERVICE,
    StartCloudRun,
    ask_who,
    deploy,
    read_percents,
    read_states,
    register_versions,
)
from tests.support.statements import execute

NOW = datetime(2011, 2, 12, 7, tzinfo=UTC)
RATIO = Calibration("ratio", (1.25,))
KNOWN = (
    "INSERT INTO calibration (model, version, run_id, method, parameters, fitted_at, row_count, reason)"
    " VALUES ('bike_demand', 1, %(run)s, 'ratio', '{1.25}', now(), 1, '') RETURNING calibration_id"
)
KEYED, OPEN = str(HERE / "keyed_image.py"), str(HERE / "cloud_run_image.py")
OF_THE_STAND_IN = {"PATH", "LANG", "HOME", "TMPDIR", "BENTOML_HOME", "PYTHONPATH", "LD_LIBRARY_PATH"}
OF_THE_SERVICE = {"OMP_NUM_THREADS", "PROMETHEUS_MULTIPROC_DIR"}


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def keyed(cloud: Settings, keys_file: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a deployer who has keys. The local Cloud Run started without knowing of them."""
    monkeypatch.setenv("CYCLONE_CLOUD_RUN_ENDPOINT", cloud.cloud_run_endpoint)
    monkeypatch.setenv("CYCLONE_API_KEYS_FILE", str(keys_file))
    return cloud.model_copy(update={"api_keys_file": keys_file})


def release(settings: Settings, spec: ModelSpec, version: int, image: str = KEYED) -> Candidate:
    candidate = deploy(settings, spec, version, image)
    promote(settings, spec, candidate)
    return candidate


def ask(address: str, key: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return requests.post(f"{address}/predict", json={"rows": [ROW]}, headers=headers, timeout=30).status_code


def read_serving(store: Store) -> str:
    champion = current_release(store, "bike_demand")
    assert champion is not None
    return champion.revision


def read_environments(revision: str, store: Store) -> list[dict[str, str]]:
    """What the processes of a revision's instances were started with, as the system tells.

    Another platform of this machine may serve a revision of the same name, and logs into another store.
    """
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if environment.get(REVISION_VARIABLE) == revision and environment.get("CYCLONE_STORE_DSN") == store.dsn:
            found.append(environment)
    return found


def build_bento(bundle: Path, reference: str) -> None:
    name, version = reference.split(":")
    code = f"import bentoml; bentoml.build({SERVICE_TARGET!r}, name={name!r}, version={version!r}, build_ctx='.')"
    subprocess.run([sys.executable, "-c", code], cwd=bundle, check=True, capture_output=True)


def test_a_deployed_service_asks_for_the_keys_of_its_deployer_and_knows_nothing_else_of_its_platform(
    bundle: Path,
    start_cloud_run: StartCloudRun,
    store: Store,
    small: ModelSpec,
    bento_home: Path,
    keys_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CYCLONE_TRAINING_DSN", "postgresql://admin:secret@replica/cyclone")
    settings = start_cloud_run("bento").model_copy(update={"api_keys_file": keys_file})
    key = add_key(keys_file, "client", ("predict",))
    register_versions(settings, 3)
    build_bento(bundle, "bike_demand:v3")
    candidate = deploy(settings, small, 3, "bike_demand:v3")
    promote(settings, small, candidate)
    assert [ask(candidate.service_address, known) for known in (None, "guessed", key)] == [401, 401, 200]
    wait_until(lambda: execute(store, "SELECT count(*) FROM prediction_log") == [(1,)], "the answered row is logged")

    told = {*DEPLOYED_VARIABLES} - {CALIBRATION_VARIABLE, BENTOML_OPTIONS_VARIABLE}
    allowed = (
        told | {*RUNTIME_VARIABLES, *SWITCHES} | OF_THE_STAND_IN | OF_THE_SERVICE
    )  # importing cyclone sets SWITCHES
    environments = read_environments("bike-demand-v3", store)
    assert len(environments) >= 2  # the program and its worker
    for environment in environments:
        assert set(environment) - allowed == set()
        assert {*told, *RUNTIME_VARIABLES} - set(environment) == set()
        assert environment["HOME"] != os.environ.get("HOME")
        assert not any(key in value or "secret" in value for value in environment.values())


@pytest.mark.parametrize("text", ["", "{", '{"keys": [{"name": "client"}]}'])
def test_a_service_that_cannot_read_the_keys_that_it_demands_does_not_start(
    bundle: Path, start_cloud_run: StartCloudRun, store: Store, small: ModelSpec, bento_home: Path, text: str
) -> None:
    settings = start_cloud_run("bento")
    build_bento(bundle, "bike_demand:v3")
    env = {"CYCLONE_STORE_DSN": store.dsn, API_KEYS_VARIABLE: text}
    with pytest.raises(ReleaseError, match=rf"(?s)bike-demand-v3.* is not ready.*{API_KEYS_VARIABLE}: "):
        CloudRun(settings).deploy(SERVICE, "bike-demand-v3", "v3", "bike_demand:v3", small.serving, env)


def test_changed_keys_reach_what_serves_when_it_is_deployed_again(
    keyed: Settings, store: Store, small: ModelSpec, keys_file: Path
) -> None:
    old = add_key(keys_file, "client", ("predict",))
    register_versions(keyed, 1)
    address = release(keyed, small, 1).service_address
    new = add_key(keys_file, "client 2", ("predict",))
    revoke_key(keys_file, "client")
    assert [ask(address, key) for key in (None, old, new)] == [401, 200, 401]
    app = Typer()
    add_commands(app)
    done = CliRunner().invoke(app, ["redeploy", "bike_demand", "--because", "a key leaked"])
    assert "bike-demand-v1-c1 of bike_demand has all traffic" in done.output
    assert [ask(address, key) for key in (None, old, new)] == [401, 401, 200]
    assert read_percents(keyed) == {"bike-demand-v1-c1": 100}
    assert read_states(store) == [(1, "champion", 100)]
    assert reconcile(keyed, small) == []
    events = [(row["event"], row["detail"]) for row in store.fetch("lineage/timeline", model="bike_demand")]
    (told,) = [detail for event, detail in events if event == "deployed again"]
    assert told.endswith(": a key leaked, and answers as bike-demand-v1 did")
    assert ("promoted", "bike-demand-v1") in events


def test_what_is_deployed_again_keeps_its_calibration_and_is_calibrated_on(
    keyed: Settings, store: Store, small: ModelSpec, keys_file: Path
) -> None:
    spec = small.model_copy(update={"recalibrate": Recalibrate()})
    add_key(keys_file, "client", ("predict",))
    register_versions(keyed, 1)
    release(keyed, spec, 1)
    assert deploy_again(keyed, spec, "ada", "", NOW) == "bike-demand-v1-c1"
    assert read_calibration(store, "bike_demand", "bike-demand-v1-c1") is None
    ((identity,),) = execute(store, KNOWN, run="day")
    champion = current_release(store, "bike_demand")
    assert champion is not None
    deploy_calibration(keyed, spec, champion, identity, RATIO, NOW)
    assert deploy_again(keyed, spec, "ada", "", NOW) == "bike-demand-v1-c3"
    assert read_calibration(store, "bike_demand", "bike-demand-v1-c3") == RATIO
    cloud = CloudRun(keyed)
    assert cloud.read_variable(SERVICE, "bike-demand-v1-c3", CALIBRATION_VARIABLE) == RATIO.to_json()
    assert is_recalibration_due(store, spec, NOW), "nobody withdrew it"
    withdraw_calibration(keyed, spec, "ada", "prices are back", NOW)
    assert not is_recalibration_due(store, spec, NOW)


def test_whoever_deploys_without_keys_passes_on_those_of_what_serves(
    keyed: Settings, cloud: Settings, small: ModelSpec, keys_file: Path
) -> None:
    key = add_key(keys_file, "client", ("predict",))
    register_versions(keyed, 2)
    address = release(keyed, small, 1).service_address
    second = release(cloud, small, 2)
    assert [ask(address, known) for known in (None, key)] == [401, 200]
    deploy_again(cloud, small, "ada", "", NOW)
    assert [ask(second.service_address, known) for known in (None, key)] == [401, 200]


def test_only_a_person_who_says_so_opens_a_service_that_asks_for_keys(
    keyed: Settings, small: ModelSpec, keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_key(keys_file, "client", ("predict",))
    register_versions(keyed, 1)
    address = release(keyed, small, 1).service_address
    monkeypatch.delenv("CYCLONE_API_KEYS_FILE")
    redeploy("bike_demand")
    assert ask(address) == 401
    redeploy("bike_demand", without_keys=True)
    assert ask(address) == 200


def test_a_roll_back_does_not_bring_revoked_keys_back(
    keyed: Settings, store: Store, small: ModelSpec, keys_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = add_key(keys_file, "client", ("predict",))
    register_versions(keyed, 2)
    release(keyed, small, 1)
    new = add_key(keys_file, "client 2", ("predict",))
    revoke_key(keys_file, "client")
    address = release(keyed, small, 2).service_address
    roll_back_by_hand("bike_demand", because="complaints")
    assert "bike-demand-v1-c1 has all traffic, as the revision before it asked for older keys" in " ".join(
        capsys.readouterr().out.split()
    )
    assert read_states(store) == [(1, "champion", 100), (2, "rolled_back", 0)]
    assert ask_who(address) == read_serving(store) == "bike-demand-v1-c1"
    assert [ask(address, key) for key in (None, old, new)] == [401, 401, 200]
    assert reconcile(keyed, small) == []


def test_a_roll_back_without_mlflow_or_with_broken_keys_opens_nothing(
    keyed: Settings, store: Store, small: ModelSpec, keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = add_key(keys_file, "client", ("predict",))
    register_versions(keyed, 3)
    release(keyed, small, 1)
    release(keyed, small, 2)
    new = add_key(keys_file, "client 2", ("predict",))
    revoke_key(keys_file, "client")
    address = release(keyed, small, 3).service_address
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match=r"127\.0\.0\.1:9"):
        roll_back_by_hand("bike_demand")
    assert ask_who(address) == read_serving(store) == "bike-demand-v2-c1"
    assert [ask(address, key) for key in (None, old, new)] == [401, 401, 200]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", keyed.mlflow_uri)
    keys_file.write_text("{")
    with pytest.raises(ConfigurationError, match=r"keys\.json: not valid JSON"):
        roll_back_by_hand("bike_demand")
    assert ask_who(address) == read_serving(store) == "bike-demand-v1"
    assert ask(address) == 401, "what serves asks for keys, if for older ones"


def test_a_revision_that_does_not_ask_for_its_keys_gets_no_traffic(
    keyed: Settings, cloud: Settings, store: Store, small: ModelSpec, keys_file: Path
) -> None:
    """As one of an image whose code is older than the keys."""
    register_versions(cloud, 2)
    address = release(cloud, small, 1, OPEN).service_address
    add_key(keys_file, "client", ("predict",))
    with pytest.raises(ReleaseError, match=r"bike-demand-v2 answers 200 to a request without a key.*Retrain"):
        deploy(keyed, small, 2, OPEN)
    roll_back(keyed, small, "run_2", "it does not ask for its keys")
    with pytest.raises(ReleaseError, match=r"bike-demand-v1-c1 answers 200 to a request without a key"):
        deploy_again(keyed, small, "ada", "", NOW)
    assert ask_who(address) == read_serving(store) == "bike-demand-v1"
    running = CloudRun(keyed).read_service(SERVICE)
    assert running is not None
    assert (running.percents, running.tags) == ({"bike-demand-v1": 100}, {"v1": "bike-demand-v1"})


def test_nothing_is_deployed_again_that_does_not_serve_or_while_a_release_is_under_way(
    keyed: Settings, small: ModelSpec, keys_file: Path
) -> None:
    add_key(keys_file, "client", ("predict",))
    with pytest.raises(ReleaseError, match="nothing has been promoted yet, so there is nothing to deploy again"):
        deploy_again(keyed, small, "ada", "", NOW)
    register_versions(keyed, 2)
    release(keyed, small, 1)
    shift_traffic(keyed, small, deploy(keyed, small, 2, KEYED), 20)
    with pytest.raises(ReleaseError, match=r"a release is under way\. End it first with `cyclone promote bike_demand`"):
        deploy_again(keyed, small, "ada", "", NOW)
    assert read_percents(keyed) == {"bike-demand-v1": 80, "bike-demand-v2": 20}


def test_keys_that_cannot_be_read_stop_a_deployment_before_it_begins(
    keyed: Settings, store: Store, small: ModelSpec, keys_file: Path
) -> None:
    keys_file.write_text("{")
    register_versions(keyed, 1)
    with pytest.raises(ConfigurationError, match=r"keys\.json: not valid JSON"):
        deploy(keyed, small, 1, KEYED)
    assert read_states(store) == []
    assert CloudRun(keyed).read_service(SERVICE) is None
