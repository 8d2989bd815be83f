"""Whoever lost the lock on a model's releases moves no traffic any more, wherever somebody else comes in between."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import pytest

from cyclone.errors import CycloneError, LostLockError
from cyclone.policy.incidents import finish_retraining, start_retraining
from cyclone.releases import create_candidate, current_release, promote_release, release_of_run
from cyclone.sections import Recalibrate
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.canary_steps import advance_canary
from releasing.candidate import candidate_of_run, shift_traffic
from releasing.cleaning import clean_up
from releasing.cloud_run import CloudRun
from releasing.lock import hold_releases
from releasing.promotion import promote, restore_champion, roll_back
from releasing.recalibration import recalibrate, roll_back_calibration, withdraw_calibration
from releasing.reconcile import reconcile
from releasing.redeployment import deploy_again
from tests.integration.local_platform.test_kills import FITTED
from tests.support.faulty_api import FaultyApi, run_faulty_api
from tests.support.staged_releases import (
    HERE,
    SERVICE,
    deploy,
    read_percents,
    read_states,
    register_versions,
    release_version,
)
from tests.support.statements import execute

FEBRUARY = datetime(2011, 2, 2, tzinfo=UTC)
MOST_CHANGES = 8
END_LOCKS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_locks"
    " WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
Act = Callable[[Settings, ModelSpec, int], object]
"""What one side does. It is told the version that served first. The two after it are candidates."""


@pytest.fixture
def api(cloud: Settings) -> Iterator[FaultyApi]:
    with run_faulty_api(cloud.cloud_run_endpoint) as api:
        yield api


class Intruder:
    """At the `number`-th change, before its effect or after, ends the lock's connection and does something else."""

    def __init__(self, store: Store, number: int, is_after: bool, act: Callable[[], object]) -> None:
        self.store, self.number, self.is_after, self.act = store, number, is_after, act
        self.seen, self.has_acted, self.error = 0, False, ""

    def __call__(self, is_done: bool) -> bool:
        self.seen += not is_done
        if self.seen == self.number and is_done == self.is_after and not self.has_acted:
            self.has_acted = True
            execute(self.store, END_LOCKS)
            try:
                self.act()
            except Exception as error:
                self.error = repr(error)
        return True


def promote_next(settings: Settings, spec: ModelSpec, first: int) -> None:
    promote(settings, spec, candidate_of_run(settings, spec, f"run_{first + 1}"))


def promote_newest(settings: Settings, spec: ModelSpec, first: int) -> None:
    promote(settings, spec, candidate_of_run(settings, spec, f"run_{first + 2}"))


def begin_canary(settings: Settings, spec: ModelSpec, first: int) -> None:
    advance_canary(settings, spec, f"run_{first + 1}")


def fail_next(settings: Settings, spec: ModelSpec, first: int) -> None:
    roll_back(settings, spec, f"run_{first + 1}", "it failed")


def give_up_and_reconcile(settings: Settings, spec: ModelSpec, first: int) -> None:
    store = Store(settings.store_dsn)
    finish_retraining(store, "bike_demand", f"run_{first + 1}", FEBRUARY, "failed", "given up", None)
    reconcile(settings, spec)


def deploy_next(settings: Settings, spec: ModelSpec, first: int) -> None:
    deploy(settings, spec, first + 1)


def note_candidate(store: Store, version: int) -> None:
    """The candidate of a run whose deployment is still to come."""
    revision, image = f"bike-demand-v{version}", str(HERE / "cloud_run_image.py")
    digest, run_id = f"sha256:{version}", f"run_{version}"
    create_candidate(store, "bike_demand", version, revision, image, digest, run_id, FEBRUARY)


def clean(settings: Settings, spec: ModelSpec, first: int) -> None:
    clean_up(settings, spec)


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.slow
@pytest.mark.parametrize("act", [promote_next, begin_canary, fail_next, give_up_and_reconcile, deploy_next, clean])
def test_an_old_step_moves_nothing_under_a_newer_champion(
    cloud: Settings, api: FaultyApi, store: Store, quick: ModelSpec, act: Act, is_after: bool
) -> None:
    settings = cloud.model_copy(update={"cloud_run_endpoint": api.address})
    register_versions(settings, 3 * MOST_CHANGES)
    release_version(settings, quick, 1)
    first = 1
    for number in range(1, MOST_CHANGES):
        for version in (first + 1, first + 2):
            start_retraining(store, f"run_{version}", "bike_demand", None, FEBRUARY)
            if act is deploy_next and version == first + 1:
                note_candidate(store, version)
            else:
                deploy(settings, quick, version)
        if act is fail_next:
            shift_traffic(settings, quick, candidate_of_run(settings, quick, f"run_{first + 1}"), 5)
        newest, came_in = first + 2, partial(promote_newest, cloud, quick, first)
        intruder = Intruder(store, number, is_after, came_in)
        api.on_change = intruder
        try_act(act, settings, quick, first)
        api.on_change = lambda is_done: True
        if not intruder.has_acted:
            break
        assert intruder.error == "", (number, intruder.error)
        assert_serves(cloud, store, newest)
        first = newest
    else:
        raise AssertionError(f"it makes more than {MOST_CHANGES} changes")
    assert number > 1


@pytest.mark.slow
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_roll_back_in_the_middle_of_a_promotion_stays(
    cloud: Settings, api: FaultyApi, store: Store, quick: ModelSpec, is_after: bool
) -> None:
    settings = cloud.model_copy(update={"cloud_run_endpoint": api.address})
    register_versions(settings, 3 * MOST_CHANGES)
    release_version(settings, quick, 1)
    release_version(settings, quick, 2)
    latest = 2
    for number in range(1, MOST_CHANGES):
        latest += 1
        start_retraining(store, f"run_{latest}", "bike_demand", None, FEBRUARY)
        deploy(settings, quick, latest)

        def take_back(version: int = latest) -> None:
            serves = current_release(store, "bike_demand")
            if serves is not None and serves.version == version:
                restore_champion(cloud, quick, "complaints", 2)
            else:
                roll_back(cloud, quick, f"run_{version}", "complaints")

        intruder = Intruder(store, number, is_after, take_back)
        api.on_change = intruder
        try_act(promote_next, settings, quick, latest - 1)
        api.on_change = lambda is_done: True
        if not intruder.has_acted:
            break
        assert intruder.error == "", (number, intruder.error)
        assert_serves(cloud, store, 2)
    else:
        raise AssertionError(f"a promotion makes more than {MOST_CHANGES} changes")
    assert number > 2


def serve_calibration(settings: Settings, spec: ModelSpec, first: int) -> None:
    day = FEBRUARY.replace(day=2 + first)
    execute(Store(settings.store_dsn), FITTED, run=f"day {day}", value=[1 + first / 10], day=day)
    execute(Store(settings.store_dsn), "UPDATE calibration SET version = %(version)s", version=first)
    recalibrate(settings, spec, day)


def serve_again(settings: Settings, spec: ModelSpec, first: int) -> None:
    deploy_again(settings, spec, "Ada", "keys changed", FEBRUARY)


def withdraw(settings: Settings, spec: ModelSpec, first: int) -> None:
    withdraw_calibration(settings, spec, "Ada", "complaints", FEBRUARY)


def return_calibration(settings: Settings, spec: ModelSpec, first: int) -> None:
    assert roll_back_calibration(settings, spec, "complaints") is not None


@pytest.mark.slow
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("act", [serve_calibration, serve_again, withdraw, return_calibration])
def test_an_old_light_release_moves_nothing_under_a_newer_champion(
    cloud: Settings, api: FaultyApi, store: Store, small: ModelSpec, act: Act, is_after: bool
) -> None:
    settings = cloud.model_copy(update={"cloud_run_endpoint": api.address})
    spec = small.model_copy(update={"recalibrate": Recalibrate()})
    register_versions(settings, 3 * MOST_CHANGES)
    release_version(settings, spec, 1)
    first = 1
    for number in range(1, MOST_CHANGES):
        if act in (withdraw, return_calibration):
            serve_calibration(settings, spec, first)

        def release_newer(version: int = first + 1) -> None:
            release_version(cloud, spec, version)

        intruder = Intruder(store, number, is_after, release_newer)
        api.on_change = intruder
        try_act(act, settings, spec, first)
        api.on_change = lambda is_done: True
        if not intruder.has_acted:
            break
        assert intruder.error == "", (number, intruder.error)
        first += 1
        assert_serves(cloud, store, first)
    else:
        raise AssertionError(f"it makes more than {MOST_CHANGES} changes")
    assert number > 2


def test_a_holder_that_finds_the_traffic_right_still_ends_what_was_begun_before(
    cloud: Settings, api: FaultyApi, store: Store, small: ModelSpec
) -> None:
    register_versions(cloud, 2)
    release_version(cloud, small, 1)
    deploy(cloud, small, 2)

    def look() -> None:
        with hold_releases(store, "bike_demand") as held:
            CloudRun(cloud, held).set_traffic(SERVICE, {"bike-demand-v1": 100})

    api.on_change = Intruder(store, 1, False, look)
    settings = cloud.model_copy(update={"cloud_run_endpoint": api.address})
    with (
        hold_releases(store, "bike_demand") as held,
        pytest.raises(LostLockError, match="the connection that holds a lock has ended"),
    ):
        CloudRun(settings, held).set_traffic(SERVICE, {"bike-demand-v2": 100})
    assert read_percents(cloud) == {"bike-demand-v1": 100}


def test_a_lost_lock_writes_nothing_into_the_store(store: Store) -> None:
    with hold_releases(store, "m") as lost:
        execute(store, END_LOCKS)
        lost.run("calibration/name", calibration_id=1, revision="nobody has come since")
        with hold_releases(store, "m") as held:
            assert held.number == lost.number + 1
            held.check()
            with pytest.raises(LostLockError, match="somebody else took it"):
                lost.run("calibration/name", calibration_id=1, revision="too late")
        with pytest.raises(LostLockError, match="the connection that holds a lock has ended"):
            lost.check()
    with hold_releases(store, "n") as other:
        assert other.number == 1


def test_a_record_that_moved_without_the_lock_ends_a_promotion(
    cloud: Settings, api: FaultyApi, store: Store, small: ModelSpec
) -> None:
    """As a process of an older release does, which takes no numbers."""
    register_versions(cloud, 3)
    release_version(cloud, small, 1)
    for version in (2, 3):
        deploy(cloud, small, version)
    release = release_of_run(store, "bike_demand", "run_3")
    assert release is not None

    def move(is_done: bool) -> bool:
        promote_release(store, release, FEBRUARY)
        return True

    api.on_change, settings = move, cloud.model_copy(update={"cloud_run_endpoint": api.address})
    with pytest.raises(LostLockError, match="the record has generation 2"):
        promote_next(settings, small, 1)
    assert read_states(store)[-1] == (3, "champion", 100)


def test_cleaning_leaves_a_canary_its_share(cloud: Settings, store: Store, small: ModelSpec) -> None:
    register_versions(cloud, 3)
    release_version(cloud, small, 1)
    release_version(cloud, small, 2)
    shift_traffic(cloud, small, deploy(cloud, small, 3), 20)
    clean_up(cloud, small)
    assert read_percents(cloud) == {"bike-demand-v2": 80, "bike-demand-v3": 20}
    assert read_states(store)[1:] == [(2, "champion", 80), (3, "canary", 20)]


def test_an_older_candidate_that_is_taken_back_leaves_a_canary_its_share(
    cloud: Settings, store: Store, small: ModelSpec
) -> None:
    register_versions(cloud, 3)
    release_version(cloud, small, 1)
    deploy(cloud, small, 2)
    shift_traffic(cloud, small, deploy(cloud, small, 3), 20)
    roll_back(cloud, small, "run_2", "it is slow")
    assert read_percents(cloud) == {"bike-demand-v1": 80, "bike-demand-v3": 20}
    assert read_states(store) == [(1, "champion", 80), (2, "rolled_back", 0), (3, "canary", 20)]
    assert [drift for drift in reconcile(cloud, small, should_mend=False) if drift.where == "traffic"] == []


def try_act(act: Act, settings: Settings, spec: ModelSpec, first: int) -> None:
    """Do it. It may say that somebody else came in between."""
    try:
        act(settings, spec, first)
    except CycloneError:
        return


def assert_serves(settings: Settings, store: Store, version: int) -> None:
    champion = current_release(store, "bike_demand")
    assert champion is not None
    assert champion.version == version
    assert read_percents(settings) == {champion.revision: 100}
