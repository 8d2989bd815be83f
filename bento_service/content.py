"""A request's body as it came: as many bytes as are taken, not read yet."""

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from bento_service.rehearsal import is_rehearsal
from bento_service.request import RequestError

BODY_BYTES = 10 * 1024 * 1024
BODY_SECONDS = 30
"""How long a body may take to arrive. The largest takes that long at 2.8 Mbit/s, and a stalled client is let go."""


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes, or why there are none. A rehearsal's is answered, but neither logged nor counted."""

    content: bytes = b""
    refusal: RequestError | None = None
    is_rehearsal: bool = False

    def read(self) -> bytes:
        """The bytes. Errors: `RequestError` when there were too many or the client left."""
        if self.refusal is not None:
            raise self.refusal
        return self.content


async def read_content(request: Request) -> bytes:
    """The request's body, of at most `BODY_BYTES`. Errors: `RequestError`."""
    too_large = RequestError(413, f"the body is larger than {BODY_BYTES} bytes; send fewer rows at a time")
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
    """The body of a request. No error leaves it."""
    is_marked = is_rehearsal(request.headers)
    try:
        return Body(await read_content(request), is_rehearsal=is_marked)
    except RequestError as refusal:
        return Body(refusal=refusal, is_rehearsal=is_marked)
