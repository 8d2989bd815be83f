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
