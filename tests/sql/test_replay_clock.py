"""The present time of a replay: what was replayed moves it, and what people ask meanwhile does not."""

from datetime import UTC, datetime

import pytest

from cyclone.clock import read_now
from cyclone.settings import Settings
from cyclone.store import Store
from tests.support.statements import execute

REPLAYED = datetime(2011, 2, 1, 8, tzinfo=UTC)


@pytest.fixture
def replay(store: Store) -> Settings:
    return Settings(store_dsn=store.dsn, clock="replay")


def log(store: Store, identity: str, created_at: str) -> None:
    execute(
        store,
        "INSERT INTO prediction_log (model, id, version, input, created_at)"
        f" VALUES ('bike_demand', '{identity}', 1, '{{}}', {created_at})",
    )


def test_a_request_of_a_person_does_not_move_the_clock(store: Store, replay: Settings) -> None:
    log(store, "replayed", f"'{REPLAYED.isoformat()}'")
    log(store, "older", f"'{REPLAYED.isoformat()}'::timestamptz - interval '1 hour'")
    log(store, "of a person", "now()")
    assert read_now(store, replay, "bike_demand") == REPLAYED


def test_before_its_first_row_a_replay_has_the_wall_time(store: Store, replay: Settings) -> None:
    log(store, "of a person", "now()")
    before = datetime.now(UTC)
    assert before <= read_now(store, replay, "bike_demand") <= datetime.now(UTC)
