"""Which platform a replay may run on: one that has released nothing in the present."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from cyclone.errors import PlatformError
from cyclone.store import Store
from local_platform.addresses import USUAL_PORTS
from local_platform.platform_record import PlatformRecord, ProcessId, find_running_platform, forget_running_platform
from local_platform.replay.place import DEMO_MARK, REPLAY_MARK, enter_replay, is_of_replay
from tests.support.statements import put_champion


def record_platform(store: Store, folder: Path, clock: str) -> PlatformRecord:
    """A platform of this process, as it would have noted itself down."""
    me = ProcessId.of(os.getpid())
    record = PlatformRecord(
        me, "now", folder, store.dsn, USUAL_PORTS, folder, folder, ready_at="now", clock=clock, monitor_schedule=""
    )
    record.write()
    return record


def test_a_platform_that_lives_in_the_past_is_taken_as_it_is(store: Store, tmp_path: Path) -> None:
    put_champion(store, datetime(2011, 2, 1, tzinfo=UTC))
    record = record_platform(store, tmp_path, "replay")
    assert enter_replay(Console(quiet=True), tmp_path) == record


def test_a_platform_that_has_released_in_the_present_is_refused_and_runs_on(store: Store, tmp_path: Path) -> None:
    put_champion(store, datetime.now(UTC))
    record = record_platform(store, tmp_path, "wall")
    message = (
        rf"the platform of {tmp_path} lives in the present, and has released bike_demand there\. A replay needs a"
        r" platform of its own: `make down`, then give the command again with another folder in CYCLONE_WORK_DIR"
    )
    with pytest.raises(PlatformError, match=message):
        enter_replay(Console(quiet=True), tmp_path)
    assert PlatformRecord.read(tmp_path) == record
    assert not is_of_replay(tmp_path)


@pytest.mark.parametrize("mark", [DEMO_MARK, REPLAY_MARK])
def test_the_next_start_knows_that_the_state_is_of_the_past(tmp_path: Path, mark: str) -> None:
    assert not is_of_replay(tmp_path)
    (tmp_path / mark).touch()
    assert is_of_replay(tmp_path)


def test_what_a_running_platform_told_is_forgotten_and_what_the_user_set_stays(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform that starts again may have other ports."""
    before = dict(os.environ)
    monkeypatch.setenv("CYCLONE_WORK_DIR", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.of.the.user")
    record_platform(store, tmp_path, "wall")
    find_running_platform()
    assert os.environ["CYCLONE_STORE_DSN"] == store.dsn
    forget_running_platform()
    assert "CYCLONE_STORE_DSN" not in os.environ
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://mlflow.of.the.user"
    assert os.environ.keys() == before.keys() | {"CYCLONE_WORK_DIR", "MLFLOW_TRACKING_URI"}
