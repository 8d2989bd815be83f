"""What the page's actions do to real traffic, in the name of Airflow's user."""

import pytest

from cyclone.errors import ReleaseError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone_airflow.page.doing import do
from releasing.canary_steps import advance_canary
from tests.support.staged_releases import deploy, read_percents, register_versions, release_version
from tests.support.statements import execute


def test_a_canary_is_promoted_and_taken_back_with_the_name_and_the_reason(
    cloud: Settings, store: Store, quick: ModelSpec
) -> None:
    register_versions(cloud, 2)
    release_version(cloud, quick, 1)
    with pytest.raises(ReleaseError, match="no candidate is under way"):
        do(cloud, "promote", "bike_demand", "ann", "it is good", [])
    deploy(cloud, quick, 2)
    advance_canary(cloud, quick, "run_2")
    assert do(cloud, "promote", "bike_demand", "ann", "it is good", []) == "Version 2 of bike_demand has all traffic."
    assert read_percents(cloud) == {"bike-demand-v2": 100}
    (judged,) = execute(store, "SELECT detail ->> 'reason' FROM release_step")
    assert "by hand in Airflow (ann): it is good" in judged[0]
    said = do(cloud, "roll-back", "bike_demand", "bob", "it was not", [])
    assert "ersion 1 of bike_demand has all traffic" in said
    assert read_percents(cloud) == {"bike-demand-v1": 100}
    reasons = execute(store, "SELECT reason FROM release WHERE version = 2")
    assert reasons == [("by hand in Airflow (bob): it was not",)]


def test_a_canary_ends_by_a_roll_back(cloud: Settings, store: Store, quick: ModelSpec) -> None:
    register_versions(cloud, 2)
    release_version(cloud, quick, 1)
    deploy(cloud, quick, 2)
    advance_canary(cloud, quick, "run_2")
    said = do(cloud, "roll-back", "bike_demand", "ann", "clients complain", [])
    assert said == "Version 2 of bike_demand is rolled back, and the champion has all traffic."
    assert read_percents(cloud) == {"bike-demand-v1": 100}
