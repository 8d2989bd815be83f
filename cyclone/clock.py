"""The present: the wall's, or in a replay of history the newest event time that was logged."""

from datetime import UTC, datetime

from cyclone.settings import Settings
from cyclone.store import Store


def read_now(store: Store, settings: Settings, model: str) -> datetime:
    """The present moment of `model`, UTC. In a replay without any row yet, the wall's."""
    if settings.clock == "wall":
        return datetime.now(UTC)
    row = store.fetch_one("log/newest_event", model=model)
    newest = row["newest"] if row else None
    return newest or datetime.now(UTC)
