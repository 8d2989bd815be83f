"""The page at `/` that shows a service's model, and the head of its OpenAPI document.

The page is text without a script. Nothing in it comes from another host.
"""

import json
import shlex
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import attr
from bentoml._internal.service.openapi.specification import Info, OpenAPISpecification, Tag
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from bento_service.bundle import Bundle
from bento_service.prediction import build_probe_row, build_probe_value
from cyclone.rows.validation import describe_allowed
from cyclone.spec import ModelSpec

TEMPLATE = Path(__file__).with_name("page.html")
STOCK_ROUTES = {"index", "static_content", "assets"}
"""The routes of BentoML's own page and its files. That page loads Google Tag Manager and reports who looks at it."""
HEADERS: Mapping[str, str] = {
    # `default-src` covers whatever the page could load. The others cover what it could do.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
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
    label = {"id": "…", "label": build_probe_value(spec.label)}
    words = {
        "title": f"{spec.name}, version {bundle.version}",
        "model": spec.name,
        "version": str(bundle.version),
        "revision": bundle.revision,
        "predicts": describe_prediction(spec),
        "max_rows": f"{spec.serving.max_rows:,}",
        "predict": _write_call("/predict", {"rows": [build_probe_row(spec)]}, asks_for_key),
        "answer": _write_answer(bundle),
        "labels": _write_call("/labels", {"labels": [label]}, asks_for_key),
        "label": spec.label.name,
        "label_allowed": describe_allowed(spec.label),
    }
    html = {name: escape(value) for name, value in words.items()}
    html["description"] = f"<p>{escape(spec.description)}</p>" if spec.description else ""
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


def head_openapi(document: OpenAPISpecification, bundle: Bundle) -> OpenAPISpecification:
    """BentoML's OpenAPI document under the model's own name, version and description."""
    info = Info(bundle.spec.name, str(bundle.version), bundle.spec.description or None)
    tags = [
        Tag("Service APIs", "Predictions, and what turned out to be true."),
        Tag("Infrastructure", "Health and metrics."),
    ]
    return attr.evolve(document, info=info, tags=tags)


def _write_call(path: str, body: Any, asks_for_key: bool) -> str:
    key = " \\\n  -H 'Authorization: Bearer <key>'" if asks_for_key else ""
    content = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl $URL{path} -H 'Content-Type: application/json'{key} \\\n  -d {content}"


def _write_answer(bundle: Bundle) -> str:
    head = {"model": bundle.spec.name, "version": bundle.version, "revision": bundle.revision}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    return "{" + ", ".join(lines) + ',\n "predictions": [{"id": "…", "prediction": …}]}'
