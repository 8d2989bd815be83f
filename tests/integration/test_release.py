"""Releasing versions on the local Cloud Run: traffic, record and aliases move together, or not at all."""

import csv
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from cyclone.checks import Champion, find_champion
from cyclone.cloud_run import CloudRun
from cyclone.errors import RehearsalError, ReleaseError, StaleReleaseError
from cyclone.incidents import finish_retraining, start_retraining
from cyclone.releases import (
    create_candidate,
    current_release,
    promote_release,
    release_of_run,
    retired_releases,
)
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.processes import free_port
from tests.integration.releasing import (
    SERVICE,
    StartCloudRun,
    ask_who,
    deploy,
    read_alias,
    read_percents,
    read_states,
    register_versions,
    release_version,
)
from tests.integration.serving import wait_until
from training.dataset import build_dataset
from training.gate import compare_with_champion
from training.image import build_image
from training.reconcile import Drift, reconcile
from training.registry import register_challenger
from training.rehearsal import rehearse
from training.release import (
    candidate_of_run,
    deploy_candidate,
    promote,
    restore_champion,
    roll_back,
    shift_traffic,
)
from training.tracking import CHALLENGER, CHAMPION, connect
from training.train import train_challenger

REPOSITORY = Path(__file__).resolve().parents[2]
MARCH = datetime(2011, 3, 1, tzinfo=UTC)
BROKEN = "raise SystemExit('this image is broken')\n"


def test_a_first_candidate_serves_at_once_and_is_promoted(cloud: Settings, store: Store, small: ModelSpec) -> None:
    register_versions(cloud, 1)
    candidate = deploy(cloud, small, 1)
    assert candidate.revision == "bike-demand-v1"
    assert deploy(cloud, small, 1) == candidate
    assert candidate_of_run(cloud, small, "run_1") == candidate
    assert ask_who(candidate.tag_address) == ask_who(candidate.service_address) == "bike-demand-v1"
    promote(cloud, small, candidate)
    promote(cloud, small, candidate)
    assert read_states(store) == [(1, "champion", 100)]
    assert (read_alias(cloud, CHAMPION), read_alias(cloud, CHALLENGER)) == (1, None)
    record = store.fetch_one("release/record", model="bike_demand")
    assert record is not None
    assert record["generation"] == 1


def test_a_candidate_gets_its_share_and_then_all(cloud: Settings, store: Store, small: ModelSpec) -> None:
    register_versions(cloud, 2)
    first = release_version(cloud, small, 1)
    candidate = deploy(cloud, small, 2)
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    assert ask_who(candidate.tag_address) == "bike-demand-v2"
    assert ask_who(candidate.service_address) == "bike-demand-v1"
    for _ in range(2):
        shift_traffic(cloud, small, candidate, 20)
    assert read_percents(cloud) == {"bike-demand-v1": 80, "bike-demand-v2": 20}
    assert read_states(store) == [(1, "champion", 80), (2, "canary", 20)]
    for _ in range(2):
        promote(cloud, small, candidate)
    assert read_percents(cloud) == {"bike-demand-v2": 100}
    assert ask_who(first.service_address) == "bike-demand-v2"
    assert read_states(store) == [(1, "retired", 0), (2, "champion", 100)]
    assert read_alias(cloud, CHAMPION) == 2
    running = CloudRun(cloud).read_service(SERVICE)
    assert running is not None
    assert running.tags == {"v1": "bike-demand-v1", "v2": "bike-demand-v2"}  # the last champion stays warm


def test_revisions_that_nobody_can_return_to_are_deleted(cloud: Settings, small: ModelSpec) -> None:
    rules = small.release.model_copy(update={"kept_champions": 1})
    small = small.model_copy(update={"release": rules})
    register_versions(cloud, 3)
    for version in (1, 2, 3):
        release_version(cloud, small, version)
    assert CloudRun(cloud).list_revisions(SERVICE) == ["bike-demand-v3", "bike-demand-v2"]


def test_what_one_can_return_to_outlives_every_cleaning(cloud: Settings, small: ModelSpec) -> None:
    rules = small.release.model_copy(update={"kept_champions": 2})
    small = small.model_copy(update={"release": rules})
    register_versions(cloud, 5)
    for version in (1, 2, 3):
        release_version(cloud, small, version)
    deploy(cloud, small, 4)
    roll_back(cloud, small, "run_4", "its error was too high")
    address = release_version(cloud, small, 5).service_address
    assert CloudRun(cloud).list_revisions(SERVICE) == ["bike-demand-v5", "bike-demand-v3", "bike-demand-v2"]
    for version in (3, 2):
        assert restore_champion(cloud, small, "complaints", version).version == version
        assert ask_who(address) == f"bike-demand-v{version}"


def test_rolling_back_returns_all_traffic_to_the_champion(cloud: Settings, store: Store, small: ModelSpec) -> None:
    register_versions(cloud, 2)
    release_version(cloud, small, 1)
    candidate = deploy(cloud, small, 2)
    shift_traffic(cloud, small, candidate, 50)
    roll_back(cloud, small, "run_2", "its error was too high")
    roll_back(cloud, small, "run_2", "another reason")
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    assert read_states(store) == [(1, "champion", 100), (2, "rolled_back", 0)]
    release = release_of_run(store, "run_2")
    assert release is not None
    assert release.reason == "its error was too high"
    assert (read_alias(cloud, CHAMPION), read_alias(cloud, CHALLENGER)) == (1, None)
    with pytest.raises(ReleaseError, match=r"is rolled_back: its error was too high"):
        shift_traffic(cloud, small, candidate, 5)
    with pytest.raises(ReleaseError, match=r"is rolled_back: its error was too high"):
        promote(cloud, small, candidate)
    with pytest.raises(ReleaseError, match="is rolled_back"):
        deploy(cloud, small, 2)
    assert read_percents(cloud) == {"bike-demand-v1": 100}


def test_rolling_back_a_promoted_run_takes_nothing_back(cloud: Settings, store: Store, small: ModelSpec) -> None:
    register_versions(cloud, 2)
    release_version(cloud, small, 1)
    release_version(cloud, small, 2)
    roll_back(cloud, small, "run_2", "a task after the promotion failed")
    roll_back(cloud, small, "run_1", "an old task was cleared")
    roll_back(cloud, small, "no_such_run", "it never released anything")
    assert read_percents(cloud) == {"bike-demand-v2": 100}
    assert read_states(store) == [(1, "retired", 0), (2, "champion", 100)]
    assert read_alias(cloud, CHAMPION) == 2


def test_an_older_release_never_overwrites_a_newer_one(cloud: Settings, store: Store, small: ModelSpec) -> None:
    register_versions(cloud, 3)
    release_version(cloud, small, 1)
    older = deploy(cloud, small, 2)
    shift_traffic(cloud, small, older, 5)
    release_version(cloud, small, 3)
    with pytest.raises(StaleReleaseError, match=r"release 2 \(bike-demand-v2\) is older than the champion, release 3"):
        shift_traffic(cloud, small, older, 20)
    with pytest.raises(StaleReleaseError):
        promote(cloud, small, older)
    assert read_percents(cloud) == {"bike-demand-v3": 100}
    assert read_states(store) == [(1, "retired", 0), (2, "rolled_back", 0), (3, "champion", 100)]
    assert read_alias(cloud, CHAMPION) == 3


def test_a_candidate_that_never_gets_ready_leaves_traffic_untouched(
    cloud: Settings, store: Store, small: ModelSpec, tmp_path: Path
) -> None:
    register_versions(cloud, 3)
    release_version(cloud, small, 1)
    broken = tmp_path / "broken.py"
    broken.write_text(BROKEN)
    for _ in range(2):
        with pytest.raises(ReleaseError, match=r"bike-demand-v2.* is not ready"):
            deploy(cloud, small, 2, str(broken))
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    roll_back(cloud, small, "run_2", "it never got ready")
    assert read_states(store) == [(1, "champion", 100), (2, "rolled_back", 0)]
    release_version(cloud, small, 3)
    assert read_percents(cloud) == {"bike-demand-v3": 100}
    assert CloudRun(cloud).list_revisions(SERVICE) == ["bike-demand-v3", "bike-demand-v1"]


def test_a_first_candidate_that_never_gets_ready_does_not_block_the_next(
    cloud: Settings, store: Store, small: ModelSpec, tmp_path: Path
) -> None:
    register_versions(cloud, 2)
    broken = tmp_path / "broken.py"
    broken.write_text(BROKEN)
    with pytest.raises(ReleaseError, match="is not ready"):
        deploy(cloud, small, 1, str(broken))
    roll_back(cloud, small, "run_1", "it never got ready")
    release_version(cloud, small, 2)
    assert read_states(store) == [(1, "rolled_back", 0), (2, "champion", 100)]
    assert read_percents(cloud) == {"bike-demand-v2": 100}


def test_a_champion_can_be_rolled_back_to_the_one_before_it(cloud: Settings, store: Store, small: ModelSpec) -> None:
    register_versions(cloud, 3)
    release_version(cloud, small, 1)
    with pytest.raises(ReleaseError, match=r"the versions with a revision that served before it are: none"):
        restore_champion(cloud, small, "complaints")
    release_version(cloud, small, 2)
    assert restore_champion(cloud, small, "complaints").version == 1
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    assert read_states(store) == [(1, "champion", 100), (2, "rolled_back", 0)]
    assert read_alias(cloud, CHAMPION) == 1
    release_version(cloud, small, 3)
    assert read_states(store) == [(1, "retired", 0), (2, "rolled_back", 0), (3, "champion", 100)]
    assert (running := CloudRun(cloud).read_service(SERVICE)) is not None
    assert running.tags == {"v1": "bike-demand-v1", "v3": "bike-demand-v3"}


def test_rolling_back_to_a_version_rolls_back_all_after_it_and_the_checks_follow(
    cloud: Settings, store: Store, small: ModelSpec
) -> None:
    register_versions(cloud, 4)
    for version in (1, 2, 3):
        release_version(cloud, small, version)
        note_profile(store, version)
    shift_traffic(cloud, small, deploy(cloud, small, 4), 20)
    with pytest.raises(ReleaseError, match=r"version 9 is not there to return to; version 3 serves, .* are: 2, 1"):
        restore_champion(cloud, small, "complaints", version=9)
    restore_champion(cloud, small, "complaints", version=1)
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    states = [(1, "champion", 100), (2, "rolled_back", 0), (3, "rolled_back", 0), (4, "rolled_back", 0)]
    assert read_states(store) == states
    assert read_alias(cloud, CHAMPION) == 1
    champion = find_champion(store, "bike_demand", datetime.now(UTC))
    assert champion == Champion(1, "mean_absolute_error", 1.5)
    rolled_back = [
        event for event in store.fetch("store/timeline", model="bike_demand") if event["event"] == "rolled back"
    ]
    assert [(event["subject"], event["detail"]) for event in rolled_back] == [
        (version, "complaints") for version in (2, 3, 4)
    ]
    assert reconcile(cloud, small) == []


def note_profile(store: Store, version: int) -> None:
    """What a version was accepted with: an error of 1.5 × its number."""
    with store.transaction() as transaction:
        transaction.run(
            "training/profile_insert",
            model="bike_demand",
            version=version,
            mlflow_run_id="run",
            metric="mean_absolute_error",
            accepted_error=1.5 * version,
            sample_size=100,
            created_at=MARCH,
        )


def test_drift_between_record_traffic_and_aliases_is_reported_and_mended(
    cloud: Settings, store: Store, small: ModelSpec
) -> None:
    register_versions(cloud, 3)
    assert reconcile(cloud, small) == []
    for version in (1, 2):
        release_version(cloud, small, version)
    candidate = deploy(cloud, small, 3)
    connect(cloud).set_registered_model_alias("bike_demand", CHALLENGER, "3")
    shift_traffic(cloud, small, candidate, 20)
    assert reconcile(cloud, small) == []
    CloudRun(cloud).set_traffic(SERVICE, {"bike-demand-v1": 70, "bike-demand-v3": 30})
    connect(cloud).set_registered_model_alias("bike_demand", CHAMPION, "1")
    found = [
        Drift("traffic", "bike-demand-v1 70 %, bike-demand-v3 30 %", "bike-demand-v2 80 %, bike-demand-v3 20 %"),
        Drift("alias champion", "1", "2"),
    ]
    assert reconcile(cloud, small, should_mend=False) == found
    assert reconcile(cloud, small) == found
    assert reconcile(cloud, small) == []
    assert read_percents(cloud) == {"bike-demand-v2": 80, "bike-demand-v3": 20}
    assert (read_alias(cloud, CHAMPION), read_alias(cloud, CHALLENGER)) == (2, 3)


def test_a_candidate_that_nobody_leads_any_more_is_rolled_back(cloud: Settings, store: Store, small: ModelSpec) -> None:
    register_versions(cloud, 2)
    release_version(cloud, small, 1)
    start_retraining(store, "run_2", "bike_demand", None, MARCH)
    shift_traffic(cloud, small, deploy(cloud, small, 2), 20)
    connect(cloud).set_registered_model_alias("bike_demand", CHALLENGER, "2")
    finish_retraining(store, "run_2", MARCH, "failed", "killed", None)
    assert [drift.where for drift in reconcile(cloud, small)] == [
        "release 2 (bike-demand-v2)",
        "traffic",
        "tags",
        "alias challenger",
    ]
    assert read_states(store) == [(1, "champion", 100), (2, "rolled_back", 0)]
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    assert reconcile(cloud, small) == []


def test_a_record_moves_once_for_whoever_read_it_first(store: Store) -> None:
    def note(version: int) -> Any:
        at = datetime(2011, 2, version, tzinfo=UTC)
        return create_candidate(store, "m", version, f"m-v{version}", "image", "digest", f"run_{version}", at)

    first, second = note(1), note(2)
    promote_release(store, second, MARCH)
    with pytest.raises(StaleReleaseError, match="is older than the champion"):
        promote_release(store, first, MARCH)
    promote_release(store, second, datetime(2012, 1, 1, tzinfo=UTC))
    champion = current_release(store, "m")
    assert champion is not None
    assert (champion.version, champion.promoted_at, champion.state) == (2, MARCH, "champion")
    assert retired_releases(store, champion) == []
    assert read_states(store) == [(1, "candidate", 0), (2, "champion", 100)]


def test_of_two_promotions_at_once_the_second_to_write_loses(store: Store) -> None:
    first, second, third = (
        create_candidate(store, "m", version, f"m-v{version}", "image", "digest", f"run_{version}", MARCH)
        for version in (1, 2, 3)
    )
    promote_release(store, first, MARCH)
    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as transaction:
            transaction.run("release/record_swap", model="m", release_id=second.release_id, generation=1)
            losing = pool.submit(promote_release, store, third, MARCH)  # has read generation 1 as well
            wait_until_blocked(store)
        with pytest.raises(StaleReleaseError, match="another release took the record while m-v3 tried"):
            losing.result(timeout=30)
    assert store.fetch_one("release/record", model="m") == {"release_id": second.release_id, "generation": 2}


def wait_until_blocked(store: Store) -> None:
    """Until some statement in this test's database waits for a lock."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with store.transaction() as transaction, transaction.connection.cursor() as cursor:
            cursor.execute(statement)
            if cursor.fetchall() != [(0,)]:
                return
        time.sleep(0.01)
    raise AssertionError("nothing waited for a lock")


def test_a_writer_that_met_another_is_told_when_its_split_does_not_serve(cloud: Settings, small: ModelSpec) -> None:
    register_versions(cloud, 2)
    release_version(cloud, small, 1)
    deploy(cloud, small, 2)

    said = []

    def swing(percent: int) -> None:
        for share in (percent, 0, percent):
            try:
                CloudRun(cloud).set_traffic(SERVICE, {"bike-demand-v1": 100 - share, "bike-demand-v2": share})
            except ReleaseError as error:
                said.append(str(error))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(swing, 10), pool.submit(swing, 30)]:
            done.result(timeout=60)
    assert all("asked for was" in words for words in said)
    assert read_percents(cloud)["bike-demand-v2"] in (10, 30)


def test_a_run_releases_one_version(store: Store) -> None:
    first = create_candidate(store, "m", 1, "m-v1", "image", "digest", "run_1", MARCH)
    assert create_candidate(store, "m", 1, "m-v1", "image", "digest", "run_1", MARCH) == first
    with pytest.raises(ReleaseError, match="run run_1 has released another version already"):
        create_candidate(store, "m", 2, "m-v2", "image", "digest", "run_1", MARCH)


def test_a_cloud_run_that_is_down_is_named(settings: Settings, small: ModelSpec) -> None:
    down = settings.model_copy(update={"cloud_run_endpoint": f"http://127.0.0.1:{free_port(0)}"})
    with pytest.raises(ReleaseError, match=r"Cloud Run at http://127.0.0.1:\d+ .* does not answer"):
        CloudRun(down).read_service(SERVICE)


def test_a_trained_model_answers_from_its_image(
    start_cloud_run: StartCloudRun, store: Store, bike_demand: ModelSpec, january: int, bento_home: Path
) -> None:
    settings = start_cloud_run("bento")
    dataset = build_dataset(settings, bike_demand, "run_1", datetime(2011, 2, 2, tzinfo=UTC))
    challenger = train_challenger(settings, bike_demand, dataset, "run_1")
    gate = compare_with_champion(settings, bike_demand, dataset, challenger)
    version = register_challenger(settings, bike_demand, challenger, gate).version
    image = build_image(settings, bike_demand, version)
    candidate = deploy_candidate(settings, bike_demand, version, image, "run_1")
    rehearsal = rehearse(settings, bike_demand, candidate, version)
    assert (rehearsal.requests, rehearsal.labelled_rows) == (200, 0)  # of history, that nobody answered
    promote(settings, bike_demand, candidate)
    answer = requests.post(
        f"{candidate.service_address}/predict", json={"rows": [read_row()], "ids": ["one"]}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["model"], body["version"], body["revision"]) == ("bike_demand", 1, "bike-demand-v1")
    assert body["predictions"][0]["id"] == "one"
    assert 0 < body["predictions"][0]["prediction"] < 300
    served = "SELECT id FROM prediction_log WHERE version IS NOT NULL"
    wait_until(lambda: select(store, served) == [("one",)], "the rehearsal is not logged, the client's request is")
    roll_back(settings, bike_demand, "run_1", "nothing to take back")


def select(store: Store, statement: str) -> list[tuple[Any, ...]]:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_a_candidate_that_answers_nonsense_fails_its_rehearsal(cloud: Settings, small: ModelSpec, january: int) -> None:
    register_versions(cloud, 1)
    candidate = deploy(cloud, small, 1)
    with pytest.raises(RehearsalError, match=r"bike-demand-v1 answered logged row .* with 200: "):
        rehearse(cloud, small, candidate, 1)


def read_row() -> dict[str, Any]:
    """The first row of February, typed as a client sends it."""
    with (REPOSITORY / "models" / "bike_demand" / "data" / "bikeshare_2011.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["created_at"] >= "2011-02")
    return {
        name: text if name == "weather" else json.loads(text)
        for name, text in row.items()
        if name not in ("created_at", "bikers")
    }
