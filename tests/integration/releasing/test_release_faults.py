"""Releases over an Admin API that refuses, answers late, or lies, and candidates that break after they got ready."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cyclone.errors import ReleaseError, TrackingError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.canary_steps import CanaryWatch, advance_canary
from releasing.candidate import shift_traffic
from releasing.cloud_run import CloudRun
from releasing.promotion import promote
from releasing.reconcile import reconcile
from tests.support.faulty_api import FaultyApi, run_faulty_api
from tests.support.serving import wait_until
from tests.support.staged_releases import (
    HERE,
    SERVICE,
    answer,
    deploy,
    read_alias,
    read_percents,
    read_states,
    register_versions,
    release_version,
)
from tests.support.statements import execute
from training.tracking.client import CHAMPION


@pytest.fixture
def api(cloud: Settings) -> Iterator[FaultyApi]:
    with run_faulty_api(cloud.cloud_run_endpoint) as api:
        yield api


@pytest.fixture
def faulty(cloud: Settings, api: FaultyApi) -> Settings:
    """Settings whose way to Cloud Run leads over the faulty API."""
    return cloud.model_copy(update={"cloud_run_endpoint": api.address})


def test_calls_that_are_refused_for_now_are_tried_again_until_all_is_released_once(
    faulty: Settings, api: FaultyApi, store: Store, small: ModelSpec
) -> None:
    """-500: the call has its effect, and says that it failed. It is then found to be done, not done twice."""
    register_versions(faulty, 2)
    api.faults = {"GET": [429, 500], "POST": [503, 429, -500]}
    release_version(faulty, small, 1)
    api.faults = {"GET": [500, 429, 503], "PATCH": [409, 429, 500]}
    candidate = deploy(faulty, small, 2)
    api.faults = {"PATCH": [-500, 409]}
    shift_traffic(faulty, small, candidate, 20)
    api.faults = {"PATCH": [-503, 500], "GET": [500], "DELETE": [500, -500]}
    promote(faulty, small, candidate)
    assert {code for codes in api.faults.values() for code in codes} <= {500, -500}  # nothing to delete yet
    assert read_states(store) == [(1, "retired", 0), (2, "champion", 100)]
    assert read_percents(faulty) == {"bike-demand-v2": 100}
    assert CloudRun(faulty).list_revisions(SERVICE) == ["bike-demand-v2", "bike-demand-v1"]
    assert reconcile(faulty, small) == []


def test_a_deployment_that_seems_to_fail_has_been_done_once(faulty: Settings, api: FaultyApi, small: ModelSpec) -> None:
    register_versions(faulty, 2)
    release_version(faulty, small, 1)
    api.faults = {"PATCH": [-500, -500, -409]}
    deploy(faulty, small, 2)
    assert CloudRun(faulty).list_revisions(SERVICE) == ["bike-demand-v2", "bike-demand-v1"]
    assert read_percents(faulty) == {"bike-demand-v1": 100}


@pytest.mark.parametrize(
    ("code", "words"), [(500, "injected"), (429, "injected"), (409, "was changed by others 10 times")]
)
def test_an_api_that_never_does_it_leaves_everything_as_it_was(
    faulty: Settings, api: FaultyApi, small: ModelSpec, code: int, words: str
) -> None:
    register_versions(faulty, 2)
    release_version(faulty, small, 1)
    deploy(faulty, small, 2)
    api.faults = {"PATCH": [code] * 100}
    with pytest.raises(ReleaseError, match=rf"(?s)Cloud Run at {api.address}.*{words}|{words}"):
        CloudRun(faulty, retry_seconds=1).set_traffic(SERVICE, {"bike-demand-v2": 100})
    assert read_percents(faulty) == {"bike-demand-v1": 100}


def test_a_revision_of_this_name_with_another_image_is_not_taken_for_ours(cloud: Settings, small: ModelSpec) -> None:
    register_versions(cloud, 2)
    release_version(cloud, small, 1)
    deploy(cloud, small, 2)
    with pytest.raises(ReleaseError, match=r"revision bike-demand-v2 .* is there already with image"):
        CloudRun(cloud).deploy(SERVICE, "bike-demand-v2", "v2", "/another/image.py", small.serving, {})


def test_a_promotion_that_is_cut_off_anywhere_is_ended_by_running_it_again(
    faulty: Settings, store: Store, small: ModelSpec
) -> None:
    register_versions(faulty, 2)
    release_version(faulty, small, 1)
    candidate = deploy(faulty, small, 2)
    down = faulty.model_copy(update={"mlflow_uri": "http://127.0.0.1:9"})
    with pytest.raises(TrackingError, match=r"MLflow at http://127\.0\.0\.1:9 does not answer"):
        promote(down, small, candidate)
    assert read_alias(faulty, CHAMPION) == 1
    promote(faulty, small, candidate)
    assert read_alias(faulty, CHAMPION) == 2
    assert read_states(store) == [(1, "retired", 0), (2, "champion", 100)]
    assert reconcile(faulty, small) == []


@pytest.mark.parametrize("fault", ["crashing", "hungry"])
def test_a_candidate_that_breaks_once_it_has_traffic_is_condemned_and_nothing_is_left_of_it(
    cloud: Settings, store: Store, quick: ModelSpec, tmp_path: Path, fault: str
) -> None:
    serving = quick.serving.model_copy(update={"memory": "128Mi"})
    rules = quick.release.model_copy(update={"steps": (50, 100)})
    spec = quick.model_copy(update={"serving": serving, "release": rules})
    register_versions(cloud, 3)
    release_version(cloud, spec, 1)
    image = tmp_path / f"{fault}.py"
    image.symlink_to(HERE / "faulty_image.py")
    candidate = deploy(cloud, spec, 2, str(image))
    assert not advance_canary(cloud, spec, "run_2").is_over
    with requests.Session() as client:
        wait_until(
            lambda: ask_once(client, candidate.service_address) and count_instances(store) == 4, "three are lost"
        )
    age(store)
    state = CanaryWatch(cloud, spec, "run_2").look()
    assert (state.is_over, state.is_passed) == (True, False), state.reason
    assert re.match(r"instances that vanished: [2-5] times in", state.reason)
    assert read_states(store) == [(1, "champion", 100), (2, "rolled_back", 0)]
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    assert reconcile(cloud, spec) == []
    wait_until(lambda: not has_instances(cloud, "bike-demand-v2"), "the last of its instances is stopped")
    release_version(cloud, spec, 3)
    assert CloudRun(cloud).list_revisions(SERVICE) == ["bike-demand-v3", "bike-demand-v1"]


def ask_once(client: requests.Session, address: str) -> bool:
    """A request that may fail: who answers it may break."""
    client.post(address, data=b"{}", timeout=30)
    return True


def count_instances(store: Store) -> int:
    return int(execute(store, "SELECT count(*)::int FROM instance_ledger")[0][0])


def age(store: Store) -> None:
    """Let what fell silent have done so a minute ago, within the step, while an instance of the champion told all."""
    execute(store, "UPDATE release_step SET started_at = started_at - interval '20 minutes'")
    minute = "interval '1 minute'"
    execute(
        store, f"UPDATE instance_ledger SET started_at = started_at - {minute}, last_seen_at = last_seen_at - {minute}"
    )
    answer(store, "bike-demand-v1", flushes=100)
    execute(
        store,
        "INSERT INTO instance_ledger"
        " (instance_id, model, version, revision, started_at, last_seen_at, handed_over, dropped, repeated)"
        " VALUES ('steady', 'bike_demand', 1, 'bike-demand-v1', now() - interval '1 day', now(), 0, 0, 0)",
    )


def has_instances(settings: Settings, revision: str) -> bool:
    page = requests.get(f"{settings.cloud_run_endpoint}/metrics", timeout=30).text
    lines = [line for line in page.splitlines() if line.startswith("cyclone_cloud_run_instances") and revision in line]
    return any(not line.endswith(" 0.0") for line in lines)
