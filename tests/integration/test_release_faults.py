"""Releases over an Admin API that refuses, answers late, or lies; and candidates that break after they got ready."""

from collections.abc import Iterator

import pytest

from cyclone.cloud_run import CloudRun
from cyclone.errors import ReleaseError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.integration.faulty_api import FaultyApi, run_faulty_api
from tests.integration.releasing import (
    SERVICE,
    deploy,
    read_alias,
    read_percents,
    read_states,
    register_versions,
    release_version,
)
from training.reconcile import reconcile
from training.release import promote, shift_traffic
from training.tracking import CHAMPION


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
    """-500: the call has its effect, and says that it failed; it is then found to be done, not done twice."""
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
    with pytest.raises(ReleaseError, match=r"revision bike-demand-v2 .* is there already with image and instances"):
        CloudRun(cloud).deploy(SERVICE, "bike-demand-v2", "v2", "/another/image.py", small.serving, {})


def test_a_promotion_that_is_cut_off_anywhere_is_ended_by_running_it_again(
    faulty: Settings, store: Store, small: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_versions(faulty, 2)
    release_version(faulty, small, 1)
    candidate = deploy(faulty, small, 2)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    down = faulty.model_copy(update={"mlflow_uri": "http://127.0.0.1:9"})
    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        promote(down, small, candidate)
    assert read_alias(faulty, CHAMPION) == 1
    promote(faulty, small, candidate)
    assert read_alias(faulty, CHAMPION) == 2
    assert read_states(store) == [(1, "retired", 0), (2, "champion", 100)]
    assert reconcile(faulty, small) == []
