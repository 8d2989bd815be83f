"""Asks clients for a bearer key before anything of their request is read. Only there when keys are configured.

Whatever is not named here as open needs a key, also what nobody serves yet. Which route a request is for is asked of
the router's own table: a reading of the path beside it would sooner or later read one spelling otherwise.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from bento_service.rehearsal import is_rehearsal
from cyclone.keys import KeyRing, KeyScope, Refusal

OPEN = frozenset({"/livez", "/healthz", "/readyz", "/metrics", "/docs.json", "/"})
"""Routes that answer everybody: health, metrics, the OpenAPI document and the page. Each by its declared path."""
SCOPES: Mapping[str, KeyScope] = {"/predict": "predict", "/labels": "label"}
"""The scope that a key needs for a route. For any other that is not open, every key will do."""


class BearerKeys:
    """ASGI middleware: 401 without a known key, 403 with a key of another scope (RFC 6750, section 3)."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and (refusal := self._find_refusal(scope)):
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _find_refusal(self, scope: Scope) -> ASGIApp | None:
        path = find_declared_path(scope)
        if path in OPEN:
            return None
        needed = SCOPES.get(path)
        headers = Headers(scope=scope)
        refusal = self._keys.check(headers.get("authorization"), needed)
        if refusal is None or (needed == "predict" and is_rehearsal(headers)):
            return None
        return WebSocketClose() if scope["type"] == "websocket" else _refuse(refusal, needed)


def find_declared_path(scope: Scope) -> str:
    """The declared path of the route that the router will choose. Empty when it will choose none."""
    for route in scope["app"].routes:
        if route.matches(scope)[0] is Match.FULL:
            return getattr(route, "path", "")
    return ""


def publish_keys(page: Any) -> None:
    """Say on BentoML's OpenAPI page which paths ask for a key; of its parts those that are dicts keep it."""
    words = "A key of this service's clients; each is for predictions, labels or both."
    page.components["securitySchemes"] = {"bearerKey": {"type": "http", "scheme": "bearer", "description": words}}
    for path, scope in SCOPES.items():
        operation = page.paths[path].post
        operation["security"] = [{"bearerKey": []}]
        operation["responses"] |= {
            401: {"description": "No key was sent, or one that is not known."},
            403: {"description": f"The key's scopes have no {scope}."},
        }


def _refuse(refusal: Refusal, needed: KeyScope | None) -> Response:
    status, words, challenge = {
        "missing": (401, "a key is needed: Authorization: Bearer <key>", ""),
        "unknown": (401, "the key is not known, or no longer", ', error="invalid_token"'),
        "out_of_scope": (
            403,
            f"the key is not for this: its scopes have no {needed}",
            f', error="insufficient_scope", scope="{needed}"',
        ),
    }[refusal]
    headers = {"WWW-Authenticate": f'Bearer realm="cyclone"{challenge}'}
    content = json.dumps({"error": words, "details": []})
    return Response(content, status, headers, media_type="application/json")
