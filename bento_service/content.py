"""The bytes of a request's body, as many as are taken."""

from starlette.requests import ClientDisconnect, Request

from bento_service.request import RequestError

BODY_BYTES = 10 * 1024 * 1024


async def read_content(request: Request) -> bytes:
    """The request's body, of at most `BODY_BYTES`. Errors: `RequestError`."""
    too_large = RequestError(413, f"the body is larger than {BODY_BYTES} bytes; send fewer rows at a time")
    told = request.headers.get("content-length", "")
    if told.isdecimal() and float(told) > BODY_BYTES:
        raise too_large
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > BODY_BYTES:
                raise too_large
    except ClientDisconnect:
        raise RequestError(400, "the client went away before the body was complete") from None
    return bytes(content)
