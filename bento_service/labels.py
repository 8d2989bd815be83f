"""Labels go straight to the store: kept as a whole before the answer, or refused as a whole."""

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from pydantic_core import to_json
from starlette.responses import Response

from bento_service.answers import answer, fail, log_failure
from bento_service.request import read_label_request
from cyclone.errors import StoreError
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store

logger = logging.getLogger("bentoml.labels")


async def answer_labels(store: Store, spec: ModelSpec, content: bytes, now: datetime) -> Response:
    """Keep the labels of a body and say how many there are. Errors: `RequestError` when the body is none of labels."""
    labels = read_label_request(spec, content, now)
    try:
        # A thread that waits for Postgres cannot be interrupted. It must not keep a process that ends.
        keep = partial(store_labels, store, spec.name, labels, now)
        return answer(await run_sync(keep, abandon_on_cancel=True))
    except StoreError as error:
        logger.warning("labels refused: %s", error)
        return fail("the evaluation store does not answer: no label was kept, send them again", 503)
    except Exception as error:
        log_failure(logger, error)
        return fail("the labels could not be stored: none was kept", 500)


def store_labels(store: Store, model: str, labels: Sequence[dict[str, Any]], now: datetime) -> Row:
    """Add `{id, label, observed_at or None}` to the history; sending the same again changes nothing.

    Returns `accepted` and `unknown_so_far`. Errors: `StoreError` when Postgres is away; then nothing is kept.
    """
    moments = sorted({label["observed_at"] or now for label in labels})
    with store.transaction() as transaction:
        transaction.fetch("log/partitions_ensure", parent="label", moments=moments)
        counts = transaction.fetch_one("log/labels_insert", model=model, now=now, labels=to_json(labels).decode())
    return counts or {}
