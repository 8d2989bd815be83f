"""A request's body as bytes that are not read yet, within bounds of size and time."""

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from bento_service.rehearsal import is_expired, is_rehearsal
from bento_service.request import RequestError
from cyclone.rows.validation import show_value

BODY_BYTES = 10 * 1024 * 1024
"""The largest body, in bytes. The value is a choice: no measurement stands behind it."""
BODY_SECONDS = 30
"""The longest time in which a body may arrive. The largest body takes it at 2.8 Mbit/s. A stalled client is let go."""


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes, or the refusal that is the reason why there are none.

    A body of a rehearsal is answered, but neither logged nor counted.
    """

    content: bytes = b""
    refusal: RequestError | None = None
    is_rehearsal: bool = False

    def read(self) -> bytes:
        """The bytes. Errors: `RequestError` when there were too many, they took too long, or the client left."""
        if self.refusal is not None:
            raise self.refusal
        return self.content


async def read_content(request: Request) -> bytes:
    """The request's body, of at most `BODY_BYTES`.

    Errors: `RequestError` with 415 when it is compressed, 413 when it is larger, 408 when it takes longer than
    `BODY_SECONDS`, and 400 when the client leaves before its end.
    """
    if (coding := request.headers.get("content-encoding", "")).strip().lower() not in ("", "identity"):
        raise RequestError(415, f"the body is encoded as {show_value(coding)!r}. Send it without Content-Encoding")
    too_large = RequestError(413, f"the body is larger than {BODY_BYTES} bytes. Send fewer rows at a time")
    told = request.headers.get("content-length", "")
    if told.isdecimal() and float(told) > BODY_BYTES:
        raise too_large
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                content += chunk
                if len(content) > BODY_BYTES:
                    raise too_large
    except ClientDisconnect:
        raise RequestError(400, "the client went away before the body was complete") from None
    except TimeoutError:
        stalled = f"the body was not complete after {BODY_SECONDS} seconds. Send fewer rows at a time, or faster"
        raise RequestError(408, stalled) from None
    return bytes(content)


async def receive_body(request: Request) -> Body:
    """The body of a request, or its refusal. No error leaves this function."""
    is_marked = is_rehearsal(request.headers)
    if is_marked and is_expired():  # never logged instead: these rows are no client's
        over = "the token of this revision's rehearsal is over. Start the retraining again: `cyclone retrain`"
        return Body(refusal=RequestError(403, over), is_rehearsal=True)
    try:
        return Body(await read_content(request), is_rehearsal=is_marked)
    except RequestError as refusal:
        return Body(refusal=refusal, is_rehearsal=is_marked)
