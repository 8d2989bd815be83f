"""Traffic, tags and aliases that are not as the release record says are found and mended."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from cyclone.differences import Difference
from cyclone.errors import TrackingError
from cyclone.policy.incidents import finish_retraining, start_retraining
from cyclone.record_comparison import read_differences
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.candidate import shift_traffic
from releasing.cloud_run import CloudRun
from releasing.comparison import compare
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
from tests.support.statements import execute
from training.tracking.client import CHALLENGER, CHAMPION, connect

MARCH = datetime(2011, 3, 1, tzinfo=UTC)


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
        Difference("traffic", "bike-demand-v1 70 %, bike-demand-v3 30 %", "bike-demand-v2 80 %, bike-demand-v3 20 %"),
        Difference("alias champion", "1", "2"),
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
    finish_retraining(store, "bike_demand", "run_2", MARCH, "failed", "killed", None)
    assert [item.where for item in reconcile(cloud, small)] == [
        "release 2 (bike-demand-v2)",
        "traffic",
        "tags",
        "alias challenger",
    ]
    assert read_states(store) == [(1, "champion", 100), (2, "rolled_back", 0)]
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    assert reconcile(cloud, small) == []


@pytest.mark.parametrize("is_renamed", [False, True], ids=["deleted", "renamed"])
def test_a_version_that_mlflow_has_lost_is_told_and_hinders_no_mending_of_traffic(
    cloud: Settings, store: Store, small: ModelSpec, monkeypatch: pytest.MonkeyPatch, is_renamed: bool
) -> None:
    """Two monitors look at once. What has the traffic is a revision that no record knows any more."""
    monkeypatch.setattr("releasing.comparison.SETTLE_SECONDS", 0.0)
    register_versions(cloud, 3)
    release_version(cloud, small, 1)
    deploy(cloud, small, 3)
    execute(store, "DELETE FROM release WHERE version = 3")
    CloudRun(cloud).set_traffic(SERVICE, {"bike-demand-v3": 100})
    if is_renamed:
        connect(cloud).rename_registered_model("bike_demand", "bikes")
    else:
        connect(cloud).delete_model_version("bike_demand", "1")
    alias = Difference("alias champion", "none", "1")
    traffic = [
        Difference("traffic", "bike-demand-v3 100 %", "bike-demand-v1 100 %"),
        Difference("tags", "v1, v3", "v1"),
    ]
    assert compare(cloud, small, "run 1", MARCH) == [*traffic, alias]
    mending = small.model_copy(update={"release": small.release.model_copy(update={"reconcile": "always"})})
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda run: compare(cloud, mending, run, MARCH), ("run 2", "run 3")))
    assert max(found, key=len) == [*traffic, alias]
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    assert read_differences(store, "bike_demand", MARCH) == [alias]
    with pytest.raises(TrackingError, match=r"cannot let bike_demand's alias champion name version 1: .* not found"):
        reconcile(cloud, small)
