"""The release record in the store: it moves once, to a newer release, for whoever read it first."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from cyclone.errors import ReleaseError, StaleReleaseError
from cyclone.releases import create_candidate, current_release, promote_release, retired_releases
from cyclone.store import Store
from tests.support.staged_releases import read_states

MARCH = datetime(2011, 3, 1, tzinfo=UTC)


def test_a_record_moves_once_for_whoever_read_it_first(store: Store) -> None:
    def note(version: int) -> Any:
        at = datetime(2011, 2, version, tzinfo=UTC)
        return create_candidate(store, "m", version, f"m-v{version}", "image", "digest", f"run_{version}", at)

    first, second = note(1), note(2)
    promote_release(store, second, MARCH)
    with pytest.raises(StaleReleaseError, match="is older than the champion"):
        promote_release(store, first, MARCH)
    promote_release(store, second, datetime(2012, 1, 1, tzinfo=UTC))
    champion = current_release(store, "m")
    assert champion is not None
    assert (champion.version, champion.promoted_at, champion.state) == (2, MARCH, "champion")
    assert retired_releases(store, champion) == []
    assert read_states(store) == [(1, "candidate", 0), (2, "champion", 100)]


def test_of_two_promotions_at_once_the_second_to_write_loses(store: Store) -> None:
    first, second, third = (
        create_candidate(store, "m", version, f"m-v{version}", "image", "digest", f"run_{version}", MARCH)
        for version in (1, 2, 3)
    )
    promote_release(store, first, MARCH)
    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as transaction:
            transaction.run("release/record_swap", model="m", release_id=second.release_id, generation=1)
            losing = pool.submit(promote_release, store, third, MARCH)  # has read generation 1 as well
            wait_until_blocked(store)
        with pytest.raises(StaleReleaseError, match="another release took the record while m-v3 tried"):
            losing.result(timeout=30)
    assert store.fetch_one("release/record", model="m") == {"release_id": second.release_id, "generation": 2}


def wait_until_blocked(store: Store) -> None:
    """Until some statement in this test's database waits for a lock."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with store.transaction() as transaction, transaction.connection.cursor() as cursor:
            cursor.execute(statement)
            if cursor.fetchall() != [(0,)]:
                return
        time.sleep(0.01)
    raise AssertionError("nothing waited for a lock")


def test_a_run_releases_one_version(store: Store) -> None:
    first = create_candidate(store, "m", 1, "m-v1", "image", "digest", "run_1", MARCH)
    assert create_candidate(store, "m", 1, "m-v1", "image", "digest", "run_1", MARCH) == first
    with pytest.raises(ReleaseError, match="run run_1 has released another version already"):
        create_candidate(store, "m", 2, "m-v2", "image", "digest", "run_1", MARCH)
