"""The version that served at a moment, with the error that it was accepted with."""

from dataclasses import dataclass
from datetime import datetime

from cyclone.store import Store


@dataclass(frozen=True)
class Champion:
    """The version that served at a moment, with the error it was accepted with."""

    version: int
    metric: str
    accepted_error: float


def find_champion(store: Store, model: str, at: datetime) -> Champion | None:
    """What served at `at`; None before the first promotion."""
    row = store.fetch_one("verdicts/champion_at", model=model, at=at)
    return Champion(**row) if row else None
