"""Services that ask for ID tokens, as on Google Cloud: what releases send, and what is refused without it."""

from pathlib import Path

import pytest
import requests

from cyclone.errors import ReleaseError
from cyclone.keys import add_key
from cyclone.spec import ModelSpec
from releasing.cloud_run import CloudRun
from releasing.promotion import promote
from releasing.rehearsal import rehearse
from releasing.revisions.invocation import TOKEN_HEADER, build_caller_headers, fetch_token
from tests.support.staged_releases import HERE, SERVICE, StartCloudRun, deploy, deploy_trained, register_versions

FLAGS = ("--account", "release", "--account", "stranger", "--invoker", "release")
CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"


def act_as(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv(CREDENTIALS, str(tmp_path / "cloud_run" / "accounts" / f"{name}.json"))


def ask(address: str, **headers: str) -> requests.Response:
    return requests.get(address, headers=headers, timeout=30)


def test_a_service_answers_only_who_bears_a_token_for_it_and_may_call_it(
    start_cloud_run: StartCloudRun, small: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = start_cloud_run("python", *FLAGS)
    act_as(monkeypatch, tmp_path, "release")
    register_versions(settings, 1)
    candidate = deploy(settings, small, 1)
    address, tag = candidate.service_address, candidate.tag_address
    good, other = f"Bearer {fetch_token(address)}", f"Bearer {fetch_token(tag)}"
    assert [ask(address).status_code, ask(address, Authorization="Bearer a-key").status_code] == [403, 401]
    assert ask(tag, Authorization=other).status_code == 401  # the audience is the service's address, never a tag's
    assert [ask(place, Authorization=good).status_code for place in (address, tag)] == [200, 200]
    both = {"Authorization": good, TOKEN_HEADER: other}
    assert requests.get(address, headers=both, timeout=30).status_code == 401
    seen = requests.get(address, headers={"Authorization": "Bearer a-key", TOKEN_HEADER: good}, timeout=30).json()
    assert seen["headers"]["Authorization"] == "Bearer a-key"
    assert seen["headers"][TOKEN_HEADER].endswith(".SIGNATURE_REMOVED_BY_GOOGLE")
    act_as(monkeypatch, tmp_path, "stranger")
    refused = requests.get(address, headers=build_caller_headers(CloudRun(settings), SERVICE), timeout=30)
    assert (refused.status_code, "run.routes.invoke" in refused.text) == (403, True)


def test_a_candidate_with_keys_is_asked_with_a_token_beside_them(
    start_cloud_run: StartCloudRun, small: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys.json"
    add_key(keys, "app", ["predict"])
    settings = start_cloud_run("python", *FLAGS).model_copy(update={"api_keys_file": keys})
    register_versions(settings, 3)
    keyed = str(HERE / "keyed_image.py")
    act_as(monkeypatch, tmp_path, "release")
    promote(settings, small, deploy(settings, small, 1, keyed))
    act_as(monkeypatch, tmp_path, "stranger")
    with pytest.raises(ReleaseError, match=r"Give the account of the release roles/run.invoker on the service"):
        deploy(settings, small, 2, keyed)
    monkeypatch.setenv(CREDENTIALS, str(tmp_path / "nobody.json"))
    with pytest.raises(ReleaseError, match=r"there are no credentials to get one: .* roles/run.invoker"):
        deploy(settings, small, 3, keyed)


def test_a_candidate_that_asks_for_a_token_is_rehearsed(
    start_cloud_run: StartCloudRun,
    bike_demand: ModelSpec,
    january: int,
    bento_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = start_cloud_run("bento", *FLAGS)
    act_as(monkeypatch, tmp_path, "release")
    candidate, version = deploy_trained(settings, bike_demand)
    assert rehearse(settings, bike_demand, candidate, version).requests == 200
