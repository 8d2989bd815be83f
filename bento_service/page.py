"""The page at `/` that shows a service's model and lets people try it.

Its one script sends what a person typed to this service. Nothing on the page comes from another host.
"""

import json
import shlex
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from bento_service.bundle import Bundle
from bento_service.openapi import build_examples, list_refusals
from cyclone.rows.validation import describe_allowed
from cyclone.spec import ModelSpec

TEMPLATE = Path(__file__).with_name("page.html")
STOCK_ROUTES = {"index", "static_content", "assets"}
"""The routes of BentoML's own page and its files. That page loads Google Tag Manager and reports who looks at it."""
PURPOSES = {
    "/predict": "Predicts rows and logs them.",
    "/labels": "Takes what turned out to be true, before or after its prediction is stored.",
    "/healthz": "Answers 200 while the service can answer. So do /readyz and /livez.",
    "/metrics": "Metrics for Prometheus.",
    "/docs.json": "This description as an OpenAPI document.",
}
"""What each path is for, in the order of the page."""
KEY_FIELD = (
    '<label for="key">Key <span>It is sent to this service and kept nowhere.</span></label>'
    '<input id="key" type="password" autocomplete="off" required>'
)
SCRIPT = Path(__file__).with_name("page.js").read_text()
"""The page's script. It stands in the page, so that the page needs no other file."""
_SCRIPT_HASH = b64encode(sha256(SCRIPT.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    # `default-src` covers whatever the page could load. The others cover what it could do. The one script is known by
    # its content, and it may ask this service alone.
    "Content-Security-Policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_SCRIPT_HASH}';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def show_page(app: Starlette, content: str) -> None:
    """Serve the page at `/` in place of BentoML's. The files of BentoML's page are not served any more."""

    async def show(_: Request) -> Response:
        return Response(content, headers=HEADERS, media_type="text/html")

    app.router.routes = [route for route in app.routes if getattr(route, "name", "") not in STOCK_ROUTES]
    app.add_route("/", show, name="page")


def build_page(bundle: Bundle, asks_for_key: bool) -> str:
    """The page of a bundle's model, as HTML. `asks_for_key` says whether clients need a bearer key."""
    spec = bundle.spec
    examples = build_examples(spec)
    words = {
        "title": f"{spec.name}, version {bundle.version}",
        "model": spec.name,
        "version": str(bundle.version),
        "revision": bundle.revision,
        "predicts": describe_prediction(spec),
        "max_rows": f"{spec.serving.max_rows:,}",
        "body": json.dumps(examples["/predict"], ensure_ascii=False, indent=2),
        "predict": _write_curl("/predict", examples["/predict"], asks_for_key),
        "python": _write_python(examples["/predict"], asks_for_key),
        "answer": _write_answer(bundle),
        "labels": _write_curl("/labels", examples["/labels"], asks_for_key),
        "label": spec.label.name,
        "label_allowed": describe_allowed(spec.label),
    }
    html = {name: escape(value) for name, value in words.items()}
    html["description"] = f"<p>{escape(spec.description)}</p>" if spec.description else ""
    html["key"] = KEY_FIELD if asks_for_key else ""
    html["routes"] = "\n".join(_write_routes(spec, asks_for_key))
    html["script"] = SCRIPT
    html["features"] = "\n".join(
        f'<tr><th scope="row">{escape(feature.name)}</th><td><div>{escape(describe_allowed(feature))}</div></td></tr>'
        for feature in spec.features
    )
    return Template(TEMPLATE.read_text()).substitute(html)


def describe_prediction(spec: ModelSpec) -> str:
    """What the model predicts, as a phrase such as "the probability of churn"."""
    return {
        "regression": spec.label.name,
        "binary": f"the probability of {spec.label.name}",
        "multiclass": f"the probability of each {spec.label.name}",
    }[spec.task]


def _write_curl(path: str, body: Any, asks_for_key: bool) -> str:
    key = " \\\n  -H 'Authorization: Bearer <key>'" if asks_for_key else ""
    content = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl $URL{path} -H 'Content-Type: application/json'{key} \\\n  -d {content}"


def _write_python(body: Any, asks_for_key: bool) -> str:
    key = ' headers={"Authorization": "Bearer <key>"},' if asks_for_key else ""
    return (
        "import requests\n\n"
        f'answer = requests.post(f"{{URL}}/predict", json={body!r},{key} timeout=10)\n'
        "answer.raise_for_status()\n"
        'print(answer.json()["predictions"])'
    )


def _write_routes(spec: ModelSpec, asks_for_key: bool) -> Iterator[str]:
    """The rows of a table: a path, what it is for, and which statuses it may answer with, and why."""
    of_keys = {401: "No key was sent, or one that is not known.", 403: "The key is not for this."}
    refused = list_refusals(spec)
    for path, purpose in PURPOSES.items():
        refusals = refused.get(path, {}) | (of_keys if asks_for_key and path in refused else {})
        method = "POST" if path in refused else "GET"
        answers = "".join(f"<li><code>{status}</code> {escape(refusals[status])}</li>" for status in sorted(refusals))
        listed = f"<ul>{answers}</ul>" if answers else ""
        yield f'<tr><th scope="row"><code>{method} {path}</code></th><td>{escape(purpose)}{listed}</td></tr>'


def _write_answer(bundle: Bundle) -> str:
    head = {"model": bundle.spec.name, "version": bundle.version, "revision": bundle.revision}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    return "{" + ", ".join(lines) + ',\n "predictions": [{"id": "…", "prediction": …}]}'
