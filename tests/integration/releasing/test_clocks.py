"""Postgres' clock is the only one for a canary: workers and instances may be two minutes off."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from bento_service.log.log_writer import LogWriter
from bento_service.log.spool_folder import Instance
from cyclone.clock import read_store_clock
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.canary_steps import advance_canary
from tests.integration.bento_service.test_prediction_log import make_flush
from tests.support.staged_releases import answer, begin_earlier, deploy, register_versions, release_version
from tests.support.statements import execute

OURS = ("bento_service", "cyclone", "releasing")


class WriterOf:
    """Makes the writer of an instance, and closes it."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.made: list[LogWriter] = []

    def __call__(self, instance: Instance) -> LogWriter:
        self.made.append(LogWriter(self.dsn, instance))
        return self.made[-1]


@pytest.fixture
def writer_of(store: Store) -> Iterator[WriterOf]:
    maker = WriterOf(store.dsn)
    yield maker
    for writer in maker.made:
        writer.close()


@pytest.fixture(params=[-120, 120], ids=["behind", "ahead"])
def skewed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> timedelta:
    """The clock of this process is two minutes off, wherever the code under test reads it."""
    offset = timedelta(seconds=request.param)
    right_time = time.time

    class Skewed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(right_time(), tz) + offset

    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in OURS and getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", Skewed)
    monkeypatch.setattr(time, "time", lambda: right_time() + offset.total_seconds())
    return offset


def test_a_canary_led_by_a_worker_with_a_wrong_clock_counts_the_same_requests(
    cloud: Settings, store: Store, quick: ModelSpec, skewed: timedelta
) -> None:
    register_versions(cloud, 2)
    release_version(cloud, quick, 1)
    deploy(cloud, quick, 2)
    answer(store, "bike-demand-v2", failures=100)  # before the step: not of its traffic
    execute(store, "UPDATE request_stat SET stored_at = stored_at - interval '1 minute'")
    advance_canary(cloud, quick, "run_2")
    for side in ("bike-demand-v1", "bike-demand-v2"):
        answer(store, side)
    begin_earlier(store)
    state = advance_canary(cloud, quick, "run_2")
    assert (state.is_over, state.is_passed) == (False, False)
    assert "ailed requests: 0 of 2,000 requests, the champion 0 of 2,000" in state.reason
    (step,) = execute(store, "SELECT looked_at - started_at < '1 minute', ended_at - started_at FROM release_step")
    assert step[0]
    assert timedelta(0) < step[1] < timedelta(minutes=1)


def test_an_instance_with_a_wrong_clock_is_seen_when_it_is_seen(
    store: Store, writer_of: WriterOf, skewed: timedelta
) -> None:
    """Its age is told by its own clock alone, where both ends of it are equally wrong."""
    now = datetime.now(UTC) + skewed
    writer = writer_of(Instance("i-1", "m", 1, "m-v1", started_at=now - timedelta(minutes=5)))
    writer.write(make_flush(1, {}))
    ((started_at, last_seen_at),) = execute(store, "SELECT started_at, last_seen_at FROM instance_ledger")
    right = read_store_clock(store)
    assert right - timedelta(seconds=30) < last_seen_at <= right
    assert right - timedelta(seconds=330) < started_at <= right - timedelta(minutes=5)
