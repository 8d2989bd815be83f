"""A body that does not come whole is refused by name."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from bento_service import content
from bento_service.request import RequestError


def test_a_body_that_stalls_is_refused_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "BODY_SECONDS", 0.05)
    chunks = [{"type": "http.request", "body": b'{"rows"', "more_body": True}]

    async def receive() -> Any:
        return chunks.pop() if chunks else await asyncio.Event().wait()

    with pytest.raises(RequestError, match=r"the body was not complete after 0\.05 seconds\. Send fewer") as refused:
        asyncio.run(content.read_content(Request({"type": "http", "headers": []}, receive)))
    assert refused.value.status == 408


@pytest.mark.parametrize(
    ("coding", "is_refused"), [("gzip", True), ("br, gzip", True), ("identity", False), ("", False)]
)
def test_a_compressed_body_is_refused_as_one(coding: str, is_refused: bool) -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    request = Request({"type": "http", "headers": [(b"content-encoding", coding.encode())]}, receive)
    body = asyncio.run(content.receive_body(request))
    if not is_refused:
        assert body.read() == b"{}"
        return
    with pytest.raises(RequestError) as refused:
        body.read()
    words = f"the body is encoded as {coding!r}. Send it without Content-Encoding"
    assert (refused.value.status, str(refused.value)) == (415, words)
