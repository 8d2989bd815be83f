"""The content policy by which a page loads nothing from another host. The browser enforces it."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:"
"""A page may run its scripts and styles, but only with what its own server gives it."""


class ContentPolicy:
    """ASGI middleware that gives every answer the policy (Content Security Policy, level 3)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Content-Security-Policy", POLICY)
            await send(message)

        await self._app(scope, receive, send_with_policy)
