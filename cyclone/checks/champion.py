"""The champion of a model at a past or present moment, and the versions that answer beside it."""

from dataclasses import dataclass
from datetime import datetime

from cyclone.store import Store


@dataclass(frozen=True)
class Champion:
    """A version that served at a moment.

    `accepted_error` is in the unit of `metric`, which is the one that the gate compares.
    """

    version: int
    metric: str
    accepted_error: float


def find_champion(store: Store, model: str, at: datetime) -> Champion | None:
    """The version that served at `at`, in event time. None before the first promotion, and once it is retired."""
    row = store.fetch_one("verdicts/champion_at", model=model, at=at)
    return Champion(**row) if row else None


def list_answering(store: Store, model: str, at: datetime, window_end: datetime) -> list[Champion]:
    """The versions to judge at `at` for windows that end at `window_end`: the champion, and who else has traffic.

    The log says who answered. So a version is judged that has traffic against the record, and a canary.
    """
    champion = find_champion(store, model, at)
    found = store.fetch("verdicts/answering", model=model, at=at, window_end=window_end)
    others = [Champion(**row) for row in found]
    return [item for item in [champion] if item] + [item for item in others if item != champion]
