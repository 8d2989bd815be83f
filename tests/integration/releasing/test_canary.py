"""A canary on the local Cloud Run, judged by what the store holds. Its state outlives whoever leads it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import typer
from typer.testing import CliRunner

from cyclone.errors import ReleaseError
from cyclone.releases import release_of_run
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.status.fleet import describe_event
from releasing.canary_steps import PAUSE_SECONDS, CanaryState, CanaryWatch, advance_canary
from releasing.cloud_run import CloudRun
from releasing.commands import add_commands
from releasing.early_promotion import promote_early
from tests.support.staged_releases import (
    SERVICE,
    answer,
    deploy,
    read_percents,
    register_versions,
    release_version,
    write_model,
)


@pytest.fixture
def under_way(cloud: Settings, quick: ModelSpec) -> Settings:
    """Version 1 serves, version 2 is in the first step of its canary."""
    register_versions(cloud, 3)
    release_version(cloud, quick, 1)
    deploy(cloud, quick, 2)
    state = advance_canary(cloud, quick, "run_2")
    assert state == CanaryState(False, False, "the candidate has 5 % of the traffic")
    return cloud


def read_steps(store: Store) -> list[tuple[Any, ...]]:
    release = release_of_run(store, "bike_demand", "run_2")
    assert release is not None
    steps = store.fetch("release/canary_steps", release_id=release.release_id)
    return [(step["traffic_percent"], step["verdict"], step["goes_on"]) for step in steps]


def age(store: Store, started: timedelta, looked: timedelta | None) -> None:
    """Let the step under way have begun, and last been looked at, so long ago."""
    now = datetime.now(UTC)
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(
            "UPDATE release_step SET started_at = %s, looked_at = %s WHERE ended_at IS NULL",
            (now - started, looked and now - looked),
        )


def test_an_equal_candidate_goes_through_every_step(under_way: Settings, store: Store, quick: ModelSpec) -> None:
    assert not advance_canary(under_way, quick, "run_2").is_over
    for share in (5, 50):
        assert read_percents(under_way) == {"bike-demand-v1": 100 - share, "bike-demand-v2": share}
        answer(store, "bike-demand-v1")
        answer(store, "bike-demand-v2")
        age(store, timedelta(seconds=25), None)
        advance_canary(under_way, quick, "run_2")
        end = advance_canary(under_way, quick, "run_2")
    assert end == CanaryState(True, True, "went through 2 steps")
    assert advance_canary(under_way, quick, "run_2") == end
    assert read_steps(store) == [(5, "passed", True), (50, "passed", True)]


def test_a_candidate_that_fails_is_over_at_once(under_way: Settings, store: Store, quick: ModelSpec) -> None:
    answer(store, "bike-demand-v1")
    answer(store, "bike-demand-v2", flushes=6, failures=30)
    age(store, timedelta(seconds=25), None)
    state = advance_canary(under_way, quick, "run_2")
    assert (state.is_over, state.is_passed) == (True, False)
    assert "failed requests: 180 of 600 requests, the champion 0 of 2,000" in state.reason
    again = advance_canary(under_way, quick, "run_2")
    assert again == CanaryState(True, False, f"the step of 5 % ended: {state.reason}")
    assert read_steps(store) == [(5, "failed", False)]


def test_low_traffic_holds_until_the_deadline_and_time_without_a_judge_does_not_count(
    under_way: Settings, store: Store, quick: ModelSpec
) -> None:
    answer(store, "bike-demand-v2", flushes=1)
    age(store, timedelta(minutes=9), timedelta(seconds=1))
    assert not advance_canary(under_way, quick, "run_2").is_over
    age(store, timedelta(hours=5), timedelta(hours=4, minutes=55))
    assert not advance_canary(under_way, quick, "run_2").is_over
    age(store, timedelta(hours=5, minutes=6), timedelta(seconds=PAUSE_SECONDS - 10))
    state = advance_canary(under_way, quick, "run_2")
    assert (state.is_over, state.is_passed) == (True, False)
    assert state.reason.startswith("inconclusive after 10 minutes: ")
    assert read_steps(store) == [(5, "inconclusive", False)]


@pytest.fixture
def cyclone(
    under_way: Settings, quick: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """The `cyclone` command with the commands of releases."""
    write_model(quick, tmp_path / "models")
    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("CYCLONE_CLOUD_RUN_ENDPOINT", under_way.cloud_run_endpoint)
    app = typer.Typer()
    add_commands(app)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


def test_a_person_may_end_a_canary_by_rolling_it_back(
    under_way: Settings, store: Store, quick: ModelSpec, cyclone: Callable[..., str]
) -> None:
    assert "version 2 of bike_demand is rolled back" in cyclone("rollback", "bike_demand", "--because", "complaints")
    assert read_percents(under_way) == {"bike-demand-v1": 100}
    state = advance_canary(under_way, quick, "run_2")
    assert (state.is_over, state.is_passed) == (True, False)
    assert state.reason.startswith("it is rolled_back: by hand (")
    assert state.reason.endswith("): complaints")
    told = describe_event(store.fetch("lineage/timeline", model="bike_demand")[-1])
    assert re.fullmatch(r"\S+ \S+ rolled back: by hand \(.+\): complaints", told)
    assert read_steps(store) == [(5, "inconclusive", False)]
    with pytest.raises(ReleaseError, match="no candidate is under way, so there is nothing to promote"):
        cyclone("promote", "bike_demand")


def test_a_person_may_promote_before_the_canary_is_over_and_return(
    under_way: Settings, store: Store, quick: ModelSpec, cyclone: Callable[..., str]
) -> None:
    assert "version 2 of bike_demand has all traffic" in cyclone("promote", "bike_demand")
    assert read_percents(under_way) == {"bike-demand-v2": 100}
    assert advance_canary(under_way, quick, "run_2") == CanaryState(True, True, "it is the champion already")
    assert read_steps(store) == [(5, "inconclusive", True)]
    assert "version 1 of bike_demand has all traffic" in cyclone("rollback", "bike_demand", "--to", "1")
    assert read_percents(under_way) == {"bike-demand-v1": 100}
    assert "traffic, aliases and record agree" in cyclone("reconcile", "bike_demand")
    CloudRun(under_way).set_traffic(SERVICE, {"bike-demand-v2": 100})
    assert "found: traffic: bike-demand-v2 100 %, wanted: bike-demand-v1 100 %" in cyclone(
        "reconcile", "bike_demand", "--dry-run"
    )
    assert "mended: traffic" in cyclone("reconcile", "bike_demand")
    assert read_percents(under_way) == {"bike-demand-v1": 100}


def test_a_candidate_that_was_not_rehearsed_is_not_promoted(cloud: Settings, store: Store, quick: ModelSpec) -> None:
    register_versions(cloud, 2)
    release_version(cloud, quick, 1)
    deploy(cloud, quick, 2)
    with pytest.raises(ReleaseError, match="version 2 is not in its canary yet, so nobody knows that it answers"):
        promote_early(cloud, quick, "ada", "ada is in a hurry")
    assert read_percents(cloud) == {"bike-demand-v1": 100}


def test_a_promotion_that_fails_lets_no_step_pass(under_way: Settings, store: Store, quick: ModelSpec) -> None:
    unreachable = under_way.model_copy(update={"cloud_run_endpoint": "http://127.0.0.1:9"})
    with pytest.raises(ReleaseError, match=r"127\.0\.0\.1"):
        promote_early(unreachable, quick, "ada", "ada is in a hurry")
    assert read_steps(store) == [(5, "inconclusive", None)]


def test_a_condemned_candidate_is_rolled_back_by_whoever_sees_it(
    under_way: Settings, store: Store, quick: ModelSpec
) -> None:
    answer(store, "bike-demand-v1")
    answer(store, "bike-demand-v2", flushes=6, failures=30)
    age(store, timedelta(seconds=25), None)
    state = CanaryWatch(under_way, quick, "run_2").look()
    assert (state.is_over, state.is_passed) == (True, False)
    assert read_percents(under_way) == {"bike-demand-v1": 100}
    release = release_of_run(store, "bike_demand", "run_2")
    assert release is not None
    assert (release.state, release.reason) == ("rolled_back", state.reason)


@contextmanager
def refused(store: Store) -> Iterator[None]:
    """Postgres refuses every connection to this store and ends those that there are."""
    name = psycopg2.extensions.parse_dsn(store.dsn)["dbname"]
    raw = psycopg2.connect(store.dsn.replace(f"/{name}?", "/postgres?"))
    raw.autocommit = True
    with raw.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    raw.close()


def test_a_store_outage_does_not_condemn_the_candidate(under_way: Settings, store: Store, quick: ModelSpec) -> None:
    watch = CanaryWatch(under_way, quick, "run_2")
    with refused(store):
        for _ in range(2):
            state = watch.look()
            assert not state.is_over
            assert "could not be judged: StoreError" in state.reason
        given_up = CanaryWatch(under_way, quick, "run_2", patience_seconds=0).look()
    assert (given_up.is_over, given_up.is_passed) == (True, False)
    for _ in (5, 50):
        answer(store, "bike-demand-v1")
        answer(store, "bike-demand-v2")
        age(store, timedelta(seconds=25), None)
        watch.look()
        state = watch.look()
    assert state == CanaryState(True, True, "went through 2 steps")
