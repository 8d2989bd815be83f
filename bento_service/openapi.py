"""The OpenAPI document of a service: the paths that BentoML finds, with the model's own head, examples and refusals.

BentoML would describe errors that the service does not send, in a form that its clients never see.
"""

from inspect import cleandoc
from typing import Any

import attr
from bentoml._internal.service.openapi.specification import Info, MediaType, OpenAPISpecification, Schema, Tag

from bento_service.bundle import Bundle
from bento_service.prediction import build_probe_row, build_probe_value
from cyclone.spec import ModelSpec

REFUSAL = "Refusal"
BAD_ROWS = "The body is not what is needed. The details name each bad row, its feature, the value and what is allowed."
REFUSALS = {
    "/predict": {
        400: BAD_ROWS,
        408: "The body took too long to arrive.",
        409: "An id belongs to another row. Nothing was kept.",
        413: "The body or the list of rows is too large.",
        415: "The body is compressed.",
        500: "The model failed on these rows.",
    },
    "/labels": {
        400: BAD_ROWS,
        408: "The body took too long to arrive.",
        413: "The body or the list of labels is too large.",
        415: "The body is compressed.",
        500: "The labels could not be stored. None was kept.",
        503: "The evaluation store does not answer. No label was kept: send them again.",
    },
}
"""The refusals and failures of each path, by status."""
_STOCK = {"InvalidArgument", "NotFound", "InternalServerError", "TaskStatusResponse"}
"""What BentoML describes and the service never sends."""
_TEXT: dict[str, Any] = {"type": "string"}
REFUSAL_SCHEMA = Schema(
    type="object",
    title=REFUSAL,
    description="Why a request was refused as a whole, or why it failed.",
    required=["error", "details"],
    properties={
        "error": _TEXT,
        "details": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["row", "feature", "value", "allowed"],
                "properties": {"row": {"type": "integer"}, "feature": _TEXT, "value": {}, "allowed": _TEXT},
            },
        },
    },
)


def complete_openapi(document: OpenAPISpecification, bundle: Bundle) -> OpenAPISpecification:
    """BentoML's document under the model's name, version and description, with what the service really answers."""
    schemas = {name: schema for name, schema in document.components["schemas"].items() if name not in _STOCK}
    examples = build_examples(bundle.spec)
    for path, refusals in list_refusals(bundle.spec).items():
        operation = document.paths[path].post
        responses = {200: operation["responses"][200]}
        responses |= {status: describe_refusal(words) for status, words in refusals.items()}
        content = operation["requestBody"]["content"]
        content["application/json"] = attr.evolve(content["application/json"], example=examples[path])
        operation["responses"] = responses
        operation["description"] = cleandoc(operation["description"])
    return attr.evolve(
        document,
        info=Info(bundle.spec.name, str(bundle.version), bundle.spec.description or None),
        tags=[
            Tag("Service APIs", "Predictions, and what turned out to be true."),
            Tag("Infrastructure", "Health and metrics."),
        ],
        components=document.components | {"schemas": schemas | {REFUSAL: REFUSAL_SCHEMA}},
    )


def list_refusals(spec: ModelSpec) -> dict[str, dict[int, str]]:
    """The refusals and failures of each path of a model, by status."""
    counts_conflicts = spec.serving.conflicting_ids == "count"
    return {
        path: {status: words for status, words in refusals.items() if status != 409 or not counts_conflicts}
        for path, refusals in REFUSALS.items()
    }


def build_examples(spec: ModelSpec) -> dict[str, Any]:
    """A body by path that the service takes. The id of the label is made up."""
    return {
        "/predict": {"rows": [build_probe_row(spec)]},
        "/labels": {"labels": [{"id": "order-1", "label": build_probe_value(spec.label)}]},
    }


def describe_refusal(words: str) -> dict[str, Any]:
    """A response of the document whose body is a refusal."""
    reference = {"$ref": f"#/components/schemas/{REFUSAL}"}
    return {"description": words, "content": {"application/json": MediaType(schema=reference)}}
