"""Labels go straight to the store: kept as a whole before the answer, or refused as a whole."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from cyclone.store import Row, Store


def store_labels(store: Store, model: str, labels: Sequence[dict[str, Any]], now: datetime) -> Row:
    """Add `{id, label, observed_at or None}` to the history; sending the same again changes nothing.

    Returns `accepted` and `unknown_so_far`. Errors: `StoreError` when Postgres is away; then nothing is kept.
    """
    moments = sorted({label["observed_at"] or now for label in labels})
    with store.transaction() as transaction:
        transaction.fetch("log/partitions_ensure", parent="label", moments=moments)
        counts = transaction.fetch_one("log/labels_insert", model=model, now=now, labels=to_json(labels).decode())
    return counts or {}
