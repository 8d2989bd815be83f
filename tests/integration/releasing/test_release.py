"""Releasing versions on the local Cloud Run: traffic, record and aliases move together, or not at all."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from cyclone.errors import RehearsalError, ReleaseError, StaleReleaseError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.processes import free_port
from releasing.candidate import candidate_of_run, shift_traffic
from releasing.cloud_run import CloudRun
from releasing.promotion import promote, roll_back
from releasing.rehearsal import rehearse
from tests.support.serving import wait_until
from tests.support.staged_releases import (
    SERVICE,
    StartCloudRun,
    ask_who,
    deploy,
    deploy_trained,
    read_alias,
    read_percents,
    read_states,
    register_versions,
    release_version,
)
from training.tracking.client import CHALLENGER, CHAMPION

REPOSITORY = Path(__file__).resolve().parents[3]
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


def test_an_older_release_never_overwrites_a_newer_one(cloud: Settings, store: Store, small: ModelSpec) -> None:
    register_versions(cloud, 3)
    release_version(cloud, small, 1)
    older = deploy(cloud, small, 2)
    shift_traffic(cloud, small, older, 5)
    release_version(cloud, small, 3)
    with pytest.raises(StaleReleaseError, match=r"release 2 \(bike-demand-v2\) is older than the champion, release 3"):
        shift_traffic(cloud, small, older, 20)
    with pytest.raises(StaleReleaseError, match=r"release 2 \(bike-demand-v2\) is older than the champion, release 3"):
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


def test_a_cloud_run_that_is_down_is_named(settings: Settings, small: ModelSpec) -> None:
    down = settings.model_copy(update={"cloud_run_endpoint": f"http://127.0.0.1:{free_port(0)}"})
    with pytest.raises(ReleaseError, match=r"Cloud Run at http://127.0.0.1:\d+ .* does not answer"):
        CloudRun(down).read_service(SERVICE)


def test_a_trained_model_answers_from_its_image(
    start_cloud_run: StartCloudRun, store: Store, bike_demand: ModelSpec, january: int, bento_home: Path
) -> None:
    settings = start_cloud_run("bento")
    candidate, version = deploy_trained(settings, bike_demand)
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
