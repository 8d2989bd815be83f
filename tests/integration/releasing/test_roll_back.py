"""Rolling back: a candidate, a champion, and all after the version that one returns to."""

from datetime import UTC, datetime

import pytest

from cyclone.checks.champion import Champion, find_champion
from cyclone.errors import ReleaseError
from cyclone.releases import release_of_run
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.candidate import shift_traffic
from releasing.cloud_run import CloudRun
from releasing.promotion import promote, restore_champion, roll_back
from releasing.reconcile import reconcile
from tests.support.staged_releases import (
    SERVICE,
    deploy,
    read_alias,
    read_percents,
    read_states,
    register_versions,
    release_version,
)
from training.tracking.client import CHALLENGER, CHAMPION

MARCH = datetime(2011, 3, 1, tzinfo=UTC)


def test_rolling_back_returns_all_traffic_to_the_champion(cloud: Settings, store: Store, small: ModelSpec) -> None:
    register_versions(cloud, 2)
    release_version(cloud, small, 1)
    candidate = deploy(cloud, small, 2)
    shift_traffic(cloud, small, candidate, 50)
    roll_back(cloud, small, "run_2", "its error was too high")
    roll_back(cloud, small, "run_2", "another reason")
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    assert read_states(store) == [(1, "champion", 100), (2, "rolled_back", 0)]
    release = release_of_run(store, "bike_demand", "run_2")
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


def test_a_champion_can_be_rolled_back_to_the_one_before_it(cloud: Settings, store: Store, small: ModelSpec) -> None:
    register_versions(cloud, 3)
    release_version(cloud, small, 1)
    with pytest.raises(ReleaseError, match=r"The earlier versions that still have a revision are: none"):
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
    with pytest.raises(ReleaseError, match=r"version 9 is not there to return to\. Version 3 serves\. .* are: 2, 1"):
        restore_champion(cloud, small, "complaints", version=9)
    restore_champion(cloud, small, "complaints", version=1)
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    states = [(1, "champion", 100), (2, "rolled_back", 0), (3, "rolled_back", 0), (4, "rolled_back", 0)]
    assert read_states(store) == states
    assert read_alias(cloud, CHAMPION) == 1
    champion = find_champion(store, "bike_demand", datetime.now(UTC))
    assert champion == Champion(1, "mean_absolute_error", 1.5)
    rolled_back = [
        event for event in store.fetch("lineage/timeline", model="bike_demand") if event["event"] == "rolled back"
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
