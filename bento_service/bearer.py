"""Asks clients for a bearer key before anything of their request is read. Only there when keys are configured."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bento_service.rehearsal import is_rehearsal
from cyclone.keys import KeyRing, KeyScope, Refusal

SCOPES: Mapping[str, KeyScope] = {"/predict": "predict", "/labels": "label"}
"""The paths that need a key; health, metrics and the OpenAPI page answer everybody."""


class BearerKeys:
    """ASGI middleware: 401 without a known key, 403 with a key of another scope (RFC 6750, section 3)."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        needed = SCOPES.get(scope["path"].rstrip("/")) if scope["type"] == "http" else None
        if needed:
            headers = Headers(scope=scope)
            refusal = self._keys.check(headers.get("authorization"), needed)
            if refusal and not is_rehearsal(headers):
                await _refuse(refusal, needed)(scope, receive, send)
                return
        await self._app(scope, receive, send)


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


def _refuse(refusal: Refusal, needed: KeyScope) -> Response:
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
