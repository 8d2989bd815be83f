"""What serves is compared with the release record in each run of the monitor: people are told, or it is mended."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from cyclone.checks.health import read_health
from cyclone.differences import Difference
from cyclone.policy.deciding import Alarm, carry_out, weigh
from cyclone.policy.holds import list_holds
from cyclone.policy.incidents import finish_retraining, start_retraining
from cyclone.record_comparison import find_unwatched, read_differences
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.addresses import USUAL_PORTS
from local_platform.commands import status
from local_platform.platform_record import PartRecord, PlatformRecord, ProcessId
from releasing.candidate import shift_traffic
from releasing.cloud_run import CloudRun
from releasing.comparison import SETTLE_SECONDS, compare, find_differences
from releasing.reconcile import reconcile
from tests.support.staged_releases import (
    SERVICE,
    deploy,
    read_alias,
    read_percents,
    read_states,
    record_champion,
    register_versions,
    release_version,
)
from tests.support.statements import execute
from training.tracking.client import CHAMPION, connect

NOW = datetime.now(UTC)
BACK = {"bike-demand-v1": 100}
ASTRAY = Difference("traffic", "bike-demand-v1 100 %", "bike-demand-v2 100 %")
PROFILE = "INSERT INTO reference_profile VALUES ('bike_demand', %(version)s, 'run', 'mean_absolute_error', 1, 1, now())"


@pytest.fixture
def always(small: ModelSpec) -> ModelSpec:
    return small.model_copy(update={"release": small.release.model_copy(update={"reconcile": "always"})})


@pytest.fixture
def released(cloud: Settings, store: Store, small: ModelSpec) -> Settings:
    """Version 2 serves by the record. Version 1, which it replaced, has all traffic by hand."""
    register_versions(cloud, 2)
    for version in (1, 2):
        execute(store, PROFILE, version=version)
        release_version(cloud, small, version)
    CloudRun(cloud).set_traffic(SERVICE, BACK)
    return cloud


def decide_now(store: Store, spec: ModelSpec, run_id: str) -> str | None:
    """What the task `decide` of a run does. The cause of its hold."""
    alarm = Alarm(run_id)
    evidence, decision = weigh(store, spec, alarm, datetime.now(UTC))
    carry_out(store, spec, alarm, evidence, decision)
    return decision.cause


def test_traffic_moved_by_hand_is_told_once_and_left_until_a_person_mends_it(
    released: Settings, store: Store, small: ModelSpec
) -> None:
    assert compare(released, small, "run_a", datetime.now(UTC)) == [ASTRAY]
    assert read_percents(released) == BACK
    assert decide_now(store, small, "run_a") == "release"
    (hold,) = list_holds(store, "bike_demand")
    assert (hold.cause, str(ASTRAY) in hold.reason) == ("release", True)
    assert "cyclone reconcile bike_demand" in hold.describe_remedy("bike_demand")
    health = read_health(store, "bike_demand", ["error"], timedelta(hours=1), datetime.now(UTC))
    assert (health.is_healthy, str(ASTRAY) in health.reason) == (False, True)

    compare(released, small, "run_b", datetime.now(UTC))
    assert decide_now(store, small, "run_b") == "release"
    assert [item.hold_id for item in list_holds(store, "bike_demand")] == [hold.hold_id]

    CloudRun(released).set_traffic(SERVICE, {"bike-demand-v2": 100})
    assert compare(released, small, "run_c", datetime.now(UTC)) == []
    assert decide_now(store, small, "run_c") is None
    assert list_holds(store, "bike_demand") == []


def test_a_model_that_says_always_is_mended_and_its_timeline_says_so(
    released: Settings, store: Store, always: ModelSpec
) -> None:
    connect(released).delete_registered_model_alias("bike_demand", CHAMPION)
    found = [ASTRAY, Difference("alias champion", "none", "2")]
    assert compare(released, always, "run_a", datetime.now(UTC)) == found
    assert read_percents(released) == {"bike-demand-v2": 100}
    assert read_alias(released, CHAMPION) == 2
    assert read_differences(store, "bike_demand", datetime.now(UTC)) == []
    assert decide_now(store, always, "run_a") is None
    rows = store.fetch("lineage/timeline", model="bike_demand")
    told = [row["detail"] for row in rows if row["event"] == "reconciled"]
    assert told == [", and ".join(map(str, found))]


def test_a_difference_that_goes_away_by_itself_is_none(released: Settings, small: ModelSpec) -> None:
    """As in a promotion, which moves traffic and record one after the other."""
    with ThreadPoolExecutor(1) as pool:
        comparing = pool.submit(compare, released, small, "run_a", datetime.now(UTC))
        time.sleep(SETTLE_SECONDS / 3)  # it has looked once
        CloudRun(released).set_traffic(SERVICE, {"bike-demand-v2": 100})
        assert comparing.result(timeout=60) == []


def test_what_a_dead_retraining_left_behind_is_always_rolled_back(
    released: Settings, store: Store, small: ModelSpec
) -> None:
    start_retraining(store, "run_3", "bike_demand", None, NOW)
    shift_traffic(released, small, deploy(released, small, 3), 20)
    finish_retraining(store, "bike_demand", "run_3", NOW, "failed", "killed", None)
    compare(released, small, "run_a", datetime.now(UTC))
    assert read_states(store)[-2:] == [(2, "champion", 100), (3, "rolled_back", 0)]
    assert read_percents(released) == {"bike-demand-v2": 100}


def test_a_service_without_any_release_is_told(cloud: Settings, store: Store, small: ModelSpec) -> None:
    """A first candidate may have traffic while its retraining leads it."""
    deploy(cloud, small, 1)
    assert find_differences(cloud, small) == []
    execute(store, "UPDATE release SET state = 'rolled_back', ended_at = now()")
    assert find_differences(cloud, small) == [
        Difference("traffic", "bike-demand-v1 100 %", "nothing, as no release is recorded")
    ]


def test_a_record_without_a_service_is_told(cloud: Settings, store: Store, small: ModelSpec) -> None:
    record_champion(store, "bike_demand", 1, NOW)
    connect(cloud).create_registered_model("bike_demand")
    assert [item.where for item in find_differences(cloud, small)] == ["traffic", "alias champion"]


def test_a_model_that_serves_without_a_folder_is_told_by_another_ones_monitor(
    cloud: Settings, store: Store, small: ModelSpec
) -> None:
    record_champion(store, "gone", 7, NOW)
    (found,) = find_unwatched(store, cloud.models_dir)
    assert (found.where, found.wanted.endswith("`cyclone retire gone`")) == ("model gone", True)
    assert compare(cloud, small, "run_a", datetime.now(UTC)) == [found]
    assert decide_now(store, small, "run_a") == "release"
    assert read_differences(store, "bike_demand", datetime.now(UTC)) == [found]


def test_status_fails_and_says_what_to_do_while_another_version_serves_than_recorded(
    released: Settings, store: Store, small: ModelSpec, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    me = ProcessId.of(os.getpid())  # the parent of the local Cloud Run
    parts = {"cloud-run": PartRecord(me, released.cloud_run_endpoint)}
    work = released.work_dir.resolve()
    work.mkdir(parents=True, exist_ok=True)
    PlatformRecord(me, "now", work, store.dsn, USUAL_PORTS, work, work, parts).write()
    monkeypatch.setenv("CYCLONE_CLOUD_RUN_ENDPOINT", released.cloud_run_endpoint)
    with pytest.raises(typer.Exit):
        status()
    told = capsys.readouterr().out
    assert f"not as recorded bike_demand: {ASTRAY}" in told
    assert "What to do: find out who moved it. `cyclone reconcile bike_demand` makes" in told

    reconcile(released, small)
    status()
    assert "not as recorded" not in capsys.readouterr().out
    record_champion(store, "gone", 7, NOW)
    with pytest.raises(typer.Exit):
        status()
    assert "not watched model gone: version 7 serves, and no folder in" in capsys.readouterr().out
