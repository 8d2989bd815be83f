"""Asks clients for a bearer key before their request's body is read. It is there only when keys are configured.

Every route needs a key that is not named here as open. So does a route that is added later. The router's own table
says which route a request is for. A second reading of the path would sooner or later read one spelling otherwise.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from bento_service.openapi import describe_refusal
from bento_service.rehearsal import is_rehearsal
from cyclone.keys import KeyRing, KeyScope, Refusal

OPEN = frozenset({"/livez", "/healthz", "/readyz", "/metrics", "/docs.json", "/"})
"""The declared paths of the routes that answer everybody: health, metrics, the OpenAPI document and the page."""
SCOPES: Mapping[str, KeyScope] = {"/predict": "predict", "/labels": "label"}
"""The scope that a key needs for a route. Any key will do for another route that is not open."""


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
    """The declared path of the route that the router will choose. It is empty when the router will choose none."""
    for route in scope["app"].routes:
        if route.matches(scope)[0] is Match.FULL:
            return getattr(route, "path", "")
    return ""


def publish_keys(page: Any) -> None:
    """Add to BentoML's OpenAPI page which paths ask for a key. Only the parts of the page that are dicts take it."""
    words = "A key of this service's clients. Each is for predictions, labels or both."
    page.components["securitySchemes"] = {"bearerKey": {"type": "http", "scheme": "bearer", "description": words}}
    for path, scope in SCOPES.items():
        operation = page.paths[path].post
        operation["security"] = [{"bearerKey": []}]
        operation["responses"] |= {
            401: describe_refusal("No key was sent, or one that is not known."),
            403: describe_refusal(f"The key's scopes have no {scope}."),
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
