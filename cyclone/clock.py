"""The clock: the present time of a model. It is the wall time, or in a replay the newest event time in the log."""

from datetime import UTC, datetime

from cyclone.settings import Settings
from cyclone.store import Store


def read_now(store: Store, settings: Settings, model: str) -> datetime:
    """The present time of a model, in UTC. In a replay before its first row, it is the wall time.

    Requests that people send to a replay's service do not move its clock.
    """
    if settings.clock == "wall":
        return datetime.now(UTC)
    row = store.fetch_one("log/newest_event", model=model)
    newest = row["newest"] if row else None
    return newest or datetime.now(UTC)


def read_store_clock(store: Store) -> datetime:
    """The wall time by Postgres' clock. It is the one clock for what several machines do, such as a canary."""
    row = store.fetch_one("release/clock")
    assert row is not None, "the statement has one row"
    now: datetime = row["now"]
    return now
