"""Labels on their way into the store, whether a request or a file brings them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cyclone.errors import StatementError
from cyclone.store import Row, Store

Entry = Mapping[str, Any]
"""A label with `id`, `label` and `observed_at`, which is a time with its zone, or None for now."""


def add_labels(store: Store, model: str, labels: Sequence[Entry], *, is_live: bool = True) -> Row:
    """Add labels to their history in their order. The last one to arrive counts, by the order of Postgres.

    A live label is known from the moment at which Postgres received it. A label of a replay is known from when it was
    observed. All are kept or none. Sending dated ones again changes nothing, and neither does an undated one that
    counts already.
    Returns `count`, `added` (without repeats) and `unknown_so_far` (whose prediction is not stored yet).
    Errors: `StoreError` when Postgres is away. Then nothing is kept.
    """
    text = json.dumps([{**label, "observed_at": _write_time(label["observed_at"])} for label in labels])
    try:
        return _add(store, model, text, is_live)
    except StatementError as error:
        if error.cause != "partition":
            raise
        store.fetch("log/partitions_ahead")
        return _add(store, model, text, is_live)


def _add(store: Store, model: str, text: str, is_live: bool) -> Row:
    with store.transaction() as transaction:
        # A statement of its own: what is compared next has to see what was committed while this one waited.
        transaction.fetch("log/labels_lock", model=model, labels=text)
        counts = transaction.fetch_one("log/labels_insert", model=model, labels=text, is_live=is_live)
    return counts or {}


def _write_time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
