"""The champion of a model at a past or present moment."""

from dataclasses import dataclass
from datetime import datetime

from cyclone.store import Store


@dataclass(frozen=True)
class Champion:
    """The version that served at a moment.

    `accepted_error` is in the unit of `metric`, which is the one that the gate compares.
    """

    version: int
    metric: str
    accepted_error: float


def find_champion(store: Store, model: str, at: datetime) -> Champion | None:
    """The version that served at `at`, in event time. None before the first promotion."""
    row = store.fetch_one("verdicts/champion_at", model=model, at=at)
    return Champion(**row) if row else None
