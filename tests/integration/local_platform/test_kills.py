"""A retraining killed with -9 at every step, and at every call that changes something: then run again, or left."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cyclone.policy.incidents import finish_retraining, start_retraining
from cyclone.releases import current_release
from cyclone.sections import Recalibrate
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.cloud_run import CloudRun
from releasing.reconcile import reconcile
from tests.support.children import KILLED, STEPS, Children
from tests.support.faulty_api import FaultyApi, run_faulty_api
from tests.support.staged_releases import (
    SERVICE,
    StartCloudRun,
    read_alias,
    read_percents,
    read_states,
    register_versions,
    release_version,
)
from tests.support.statements import execute
from training.tracking.client import CHALLENGER, CHAMPION, connect

pytestmark = pytest.mark.slow
FEBRUARY = datetime(2011, 2, 2, tzinfo=UTC)
MOST_CHANGES = 12
FITTED = (
    "INSERT INTO calibration (model, version, run_id, method, parameters, fitted_at, row_count, error_without, reason)"
    " VALUES ('bike_demand', 1, %(run)s, 'ratio', %(value)s, %(day)s, 1, 1, '')"
)


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    children = Children.open()
    yield children
    children.close()


def test_a_retraining_killed_at_the_end_of_every_step_does_each_thing_once(
    start_cloud_run: StartCloudRun,
    children: Children,
    store: Store,
    bike_demand: ModelSpec,
    january: int,
    bento_home: Path,
) -> None:
    """The worst moment: everything is done, and nobody has heard of it."""
    settings = start_cloud_run("bento")
    done: dict[str, Any] = {"as_of": FEBRUARY}
    for name in STEPS:
        children.start("run_step", name, settings, bike_demand, "run_1", done, True)
        assert children.wait() == (KILLED, None), name
        children.start("run_step", name, settings, bike_demand, "run_1", done, False)
        code, done[name] = children.wait()
        assert code == 0, name
    client = connect(settings)
    experiments = [item.experiment_id for item in client.search_experiments()]
    assert len(client.search_runs(experiments)) == 1
    assert [item.version for item in client.search_model_versions("name = 'bike_demand'")] in (["1"], [1])
    assert [path.name for path in (bento_home / "bentos" / "bike_demand").iterdir() if path.is_dir()] == ["v1"]
    assert CloudRun(settings).list_revisions(SERVICE) == ["bike-demand-v1"]
    assert_all_is(settings, store, bike_demand, champion=1)


class KillAt:
    """Kills a process at its `number`-th change, before it has its effect or after."""

    def __init__(self, number: int, is_after: bool) -> None:
        self.number, self.is_after, self.pid, self.seen = number, is_after, 0, 0

    def __call__(self, is_done: bool) -> bool:
        self.seen += not is_done
        if self.seen == self.number and is_done == self.is_after and self.pid:
            os.kill(self.pid, signal.SIGKILL)
            return False
        return True


@pytest.fixture
def api(cloud: Settings) -> Iterator[FaultyApi]:
    with run_faulty_api(cloud.cloud_run_endpoint) as api:
        yield api


def assert_all_is(settings: Settings, store: Store, spec: ModelSpec, champion: int) -> None:
    """Champion entirely: traffic, tags, aliases and record say the same, and nothing else has a state that goes on."""
    assert reconcile(settings, spec, should_mend=False) == []
    running = CloudRun(settings).read_service(SERVICE)
    assert running is not None
    assert running.percents == {f"bike-demand-v{champion}": 100}
    last = [version for version, state, _ in read_states(store) if state == "retired"][-1:]
    assert set(running.tags) <= {f"v{version}" for version in [champion, *last]}
    assert (read_alias(settings, CHAMPION), read_alias(settings, CHALLENGER)) == (champion, None)
    states = read_states(store)
    assert [state for state in states if state[1] not in ("retired", "rolled_back")] == [(champion, "champion", 100)]
    assert len(states) == len({version for version, _, _ in states})


@pytest.mark.parametrize("failures", [0, 30], ids=["promoted", "rolled back"])
@pytest.mark.parametrize("is_run_again", [True, False], ids=["run again", "left"])
def test_a_release_killed_at_any_change_ends_as_champion_or_challenger_entirely(
    cloud: Settings,
    api: FaultyApi,
    children: Children,
    store: Store,
    quick: ModelSpec,
    failures: int,
    is_run_again: bool,
) -> None:
    settings = cloud.model_copy(update={"cloud_run_endpoint": api.address})
    register_versions(settings, 2 * MOST_CHANGES + 2)
    connect(settings).delete_registered_model_alias("bike_demand", CHALLENGER)
    release_version(cloud, quick, 1)
    for version, (number, is_after) in enumerate(
        ((number, is_after) for number in range(1, MOST_CHANGES + 1) for is_after in (False, True)), start=2
    ):
        start_retraining(store, f"run_{version}", "bike_demand", None, FEBRUARY)
        before = read_champion(store)
        api.on_change = kill = KillAt(number, is_after)
        kill.pid = children.start("release", settings, quick, version, failures)
        code, _ = children.wait()
        api.on_change = KillAt(0, False)
        if is_run_again:
            children.start("release", settings, quick, version, failures)
            assert children.wait() == (0, None)
        finish_retraining(store, "bike_demand", f"run_{version}", FEBRUARY, "failed", "it is over", None)
        reconcile(settings, quick)
        champion = read_champion(store)
        assert champion in (before, version)
        assert_all_is(cloud, store, quick, champion)
        if is_run_again:
            assert (champion == version) == (failures == 0)
        if code != KILLED:
            assert code == 0
            break
    else:
        raise AssertionError(f"a release makes more than {MOST_CHANGES} changes")
    assert version > 6
    revisions = CloudRun(cloud).list_revisions(SERVICE)
    assert len(revisions) == len(set(revisions))
    assert read_percents(cloud) == {f"bike-demand-v{read_champion(store)}": 100}


def test_a_calibration_killed_at_any_change_is_named_by_the_log_and_served_by_the_next_run(
    cloud: Settings, api: FaultyApi, children: Children, store: Store, small: ModelSpec
) -> None:
    settings = cloud.model_copy(update={"cloud_run_endpoint": api.address})
    spec = small.model_copy(update={"recalibrate": Recalibrate()})
    register_versions(settings, 1)
    release_version(cloud, spec, 1)
    connect(settings).delete_registered_model_alias("bike_demand", CHALLENGER)
    changes = ((number, is_after) for number in range(1, MOST_CHANGES + 1) for is_after in (False, True))
    for identity, (number, is_after) in enumerate(changes, start=1):
        day = FEBRUARY + timedelta(days=identity)
        execute(store, FITTED, run=f"day {identity}", value=[1 + identity / 10], day=day)
        api.on_change = kill = KillAt(number, is_after)
        kill.pid = children.start("recalibrate", settings, spec, day)
        code, _ = children.wait()
        api.on_change = KillAt(0, False)
        named = {"bike-demand-v1", *(revision for (revision,) in execute(store, "SELECT revision FROM calibration"))}
        assert read_percents(cloud).keys() <= named
        children.start("recalibrate", settings, spec, day)
        assert children.wait() == (0, None)
        champion = current_release(store, "bike_demand")
        assert champion is not None
        assert champion.revision == f"bike-demand-v1-c{identity}"
        assert_serves(cloud, spec, champion.revision)
        assert execute(store, "SELECT count(*) FROM calibration WHERE served_at IS NULL") == [(0,)]
        if code != KILLED:
            assert code == 0
            break
    else:
        raise AssertionError(f"a calibration makes more than {MOST_CHANGES} changes")
    assert identity > 4


def assert_serves(settings: Settings, spec: ModelSpec, revision: str) -> None:
    """All traffic and the tag of the version, as the record says."""
    assert reconcile(settings, spec, should_mend=False) == []
    running = CloudRun(settings).read_service(SERVICE)
    assert running is not None
    assert (running.percents, running.tags) == ({revision: 100}, {"v1": revision})


def read_champion(store: Store) -> int:
    champion = current_release(store, "bike_demand")
    assert champion is not None
    return champion.version
