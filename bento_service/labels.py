"""Answers requests with labels. Their labels are all in the store before the answer, or all refused."""

import logging
from datetime import datetime
from functools import partial

from anyio.to_thread import run_sync
from starlette.responses import Response

from bento_service.answers import answer, fail, log_failure
from bento_service.request import read_label_request
from cyclone.errors import StoreError
from cyclone.rows.labels import add_labels
from cyclone.rows.validation import EARLIEST
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import EARLIEST_OF_HISTORY

logger = logging.getLogger("bentoml.labels")


async def answer_labels(store: Store, spec: ModelSpec, content: bytes, now: datetime, *, is_live: bool) -> Response:
    """Keep the labels of a body and answer how many there are. Errors: `RequestError` when a label is not valid."""
    labels = read_label_request(spec, content, now, EARLIEST if is_live else EARLIEST_OF_HISTORY)
    try:
        # A thread that waits for Postgres cannot be interrupted. A process that ends does not wait for it.
        keep = partial(add_labels, store, spec.name, labels, is_live=is_live)
        counts = await run_sync(keep, abandon_on_cancel=True)
        return answer({"accepted": counts["count"], "unknown_so_far": counts["unknown_so_far"]})
    except StoreError as error:
        logger.warning("labels refused: %s", error)
        return fail("the evaluation store does not answer: no label was kept, send them again", 503)
    except Exception as error:
        log_failure(logger, error)
        return fail("the labels could not be stored: none was kept", 500)
