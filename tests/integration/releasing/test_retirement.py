"""A retired model answers no more, and nothing that was under way brings it back."""

from datetime import UTC, datetime

import pytest
import typer
from typer.testing import CliRunner

from cyclone.errors import ReleaseError
from cyclone.policy.facts import Request
from cyclone.policy.holds import list_holds
from cyclone.policy.incidents import find_open_incident, join_incident, start_retraining
from cyclone.policy.requests import ask
from cyclone.record_comparison import find_unwatched
from cyclone.releases import create_candidate, current_release
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.canary_steps import CanaryWatch, advance_canary
from releasing.candidate import deploy_candidate
from releasing.cloud_run import CloudRun
from releasing.commands import add_commands
from releasing.comparison import find_differences
from releasing.retirement import describe_rest, retire
from tests.support.staged_releases import (
    SERVICE,
    deploy,
    read_alias,
    read_states,
    record_champion,
    register_versions,
    release_version,
)
from tests.support.statements import execute
from training.images.image import Image
from training.tracking.client import CHALLENGER, CHAMPION

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def served(cloud: Settings, store: Store, small: ModelSpec) -> Settings:
    """Version 1 serves. Version 2 is in its canary, and a later retraining still trains."""
    register_versions(cloud, 4)
    release_version(cloud, small, 1)
    incident = join_incident(store, "bike_demand", "run", NOW, "the error rose", {})
    start_retraining(store, "run_2", "bike_demand", incident.incident_id, NOW)
    deploy(cloud, small, 2)
    advance_canary(cloud, small, "run_2")
    start_retraining(store, "run_3", "bike_demand", None, NOW)
    execute(
        store,
        "INSERT INTO hold (model, cause, opened_at, reason, run_id) VALUES ('bike_demand', 'budget', %(at)s, 'b', 'r')",
        at=NOW,
    )
    return cloud


def test_a_retired_model_has_no_service_record_alias_incident_or_hold(
    served: Settings, store: Store, small: ModelSpec
) -> None:
    done = retire(served, "bike_demand", "ada", "nobody rents bikes")
    assert done == [
        "the service bike-demand is deleted, and nothing answers any more",
        "version 1 serves no more",
        "the retraining run_2 releases nothing any more",
        "the retraining run_3 releases nothing any more",
        "incident 1 is closed",
        "no longer held: b",
        "MLflow's alias champion is dropped",
        "MLflow's alias challenger is dropped",
    ]
    assert CloudRun(served).read_service(SERVICE) is None
    assert current_release(store, "bike_demand") is None
    assert read_states(store) == [(1, "retired", 0), (2, "rolled_back", 0)]
    assert (read_alias(served, CHAMPION), read_alias(served, CHALLENGER)) == (None, None)
    assert (find_open_incident(store, "bike_demand"), list_holds(store, "bike_demand")) == (None, [])
    assert execute(store, "SELECT count(*) FROM retraining WHERE finished_at IS NULL") == [(0,)]
    assert find_differences(served, small) == []
    (told,) = (row for row in store.fetch("lineage/timeline", model="bike_demand") if row["event"] == "retired")
    assert (told["subject"], told["detail"]) == (1, "ada: nobody rents bikes")

    assert retire(served, "bike_demand", "ada", "again") == []
    assert execute(store, "SELECT because FROM retirement") == [("nobody rents bikes",)]


def test_what_was_under_way_at_a_retirement_releases_nothing(served: Settings, store: Store, small: ModelSpec) -> None:
    watch = CanaryWatch(served, small, "run_2")
    retire(served, "bike_demand", "ada", "nobody rents bikes")
    state = watch.look()
    assert (state.is_over, state.is_passed) == (True, False)
    assert "retired by ada" in state.reason
    with pytest.raises(ReleaseError, match="bike_demand was retired by ada while run run_3 was under way"):
        deploy_candidate(served, small, 3, Image("image", "sha256:3"), "run_3")
    assert CloudRun(served).read_service(SERVICE) is None
    assert current_release(store, "bike_demand") is None


def test_only_a_person_brings_a_retired_model_back(served: Settings, store: Store, small: ModelSpec) -> None:
    retire(served, "bike_demand", "ada", "nobody rents bikes")
    now = datetime.now(UTC)
    answer = ask(store, small, "alert", Request("grafana", is_person=False), now)
    assert (answer.incident_id, "was retired by ada" in answer.decision.reason) == (None, True)
    answer = ask(store, small, "person", Request("ada", is_person=True), now)
    assert answer.incident_id is not None
    release_version(served, small, 4)
    champion = current_release(store, "bike_demand")
    assert champion is not None
    assert champion.version == 4


def test_a_model_without_a_folder_is_retired(cloud: Settings, store: Store) -> None:
    record_champion(store, "gone", 7, NOW)
    assert len(find_unwatched(store, cloud.models_dir)) == 1
    assert retire(cloud, "gone", "ada", "its folder is away") == ["version 7 serves no more"]
    assert find_unwatched(store, cloud.models_dir) == []
    assert "as the model has no folder" in describe_rest(cloud, "gone")
    with pytest.raises(ReleaseError, match="'goen' has no folder and was never released"):
        retire(cloud, "goen", "ada", "a slip")
    assert create_candidate(store, "gone", 8, "gone-v8", "image", "digest", "run_8", NOW).state == "candidate"


def test_the_command_ends_a_model_with_a_reason_and_is_safe_to_repeat(
    cloud: Settings, store: Store, small: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_versions(cloud, 2)
    release_version(cloud, small, 1)
    monkeypatch.setattr("releasing.commands.read_settings", lambda: cloud)  # the edge that reads the environment
    app = typer.Typer()
    add_commands(app)
    refused = CliRunner().invoke(app, ["retire", "bike_demand"])
    assert "--because is empty" in str(refused.exception)
    assert current_release(store, "bike_demand") is not None
    for expected in ("version 1 serves no more", "bike_demand is retired already"):
        done = CliRunner().invoke(app, ["retire", "bike_demand", "--because", "nobody rents bikes"])
        assert (done.exit_code, expected in done.output.splitlines()) == (0, True)
    assert current_release(store, "bike_demand") is None
