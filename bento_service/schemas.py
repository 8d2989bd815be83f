"""What the service publishes of its requests and answers in OpenAPI, with the model's own features."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import bentoml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, create_model
from starlette.requests import ClientDisconnect, Request

from bento_service.request import ID_CHARACTERS, RequestError
from cyclone.rows import describe_allowed
from cyclone.spec import Feature, Label, ModelSpec

BODY_BYTES = 10 * 1024 * 1024
TYPES = {"integer": int, "number": float, "boolean": bool, "category": str, "text": str}
Id = Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS)]


class RawBody(bentoml.IODescriptor):  # type: ignore[misc]  # BentoML is not typed
    """A body kept as it came; the fields of a subclass are what OpenAPI says of it.

    BentoML's own reading would answer bad rows without their index and value, and log them with a traceback.
    """

    __root_input__: ClassVar[bool] = True
    _content: bytes = PrivateAttr(b"")
    _refusal: RequestError | None = PrivateAttr(None)

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> "RawBody":
        body: RawBody = cls.model_construct()
        try:
            body._content = await read_content(request)
        except RequestError as refusal:
            body._refusal = refusal
        return body

    @property
    def content(self) -> bytes:
        """The body's bytes. Errors: `RequestError` when there are too many."""
        if self._refusal is not None:
            raise self._refusal
        return self._content


async def read_content(request: Request) -> bytes:
    """The request's body, of at most `BODY_BYTES`. Errors: `RequestError`."""
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > BODY_BYTES:
                raise RequestError(413, f"the body is larger than {BODY_BYTES} bytes; send fewer rows at a time")
    except ClientDisconnect:
        raise RequestError(400, "the client went away before the body was complete") from None
    return bytes(content)


def build_predict_body(spec: ModelSpec) -> type[RawBody]:
    """The body of POST /predict: rows with the model's features, perhaps with ids and event times."""
    fields = {f"feature_{number}": _build_field(feature, feature.name) for number, feature in enumerate(spec.features)}
    row = create_model("Row", __config__=ConfigDict(extra="forbid"), **fields)  # type: ignore[call-overload]
    longest = spec.serving.max_rows
    body: dict[str, Any] = {
        "rows": (list[row], Field(min_length=1, max_length=longest)),  # type: ignore[valid-type]
        "ids": (list[Id] | None, Field(None, description="Yours, one a row; else they are made.")),
    }
    if spec.serving.accept_created_at:
        words = "When each row happened, with zone; else now."
        body["created_at"] = (list[datetime] | None, Field(None, description=words))
    return create_model("PredictBody", __base__=RawBody, **body)


def build_predict_answer(spec: ModelSpec) -> type[BaseModel]:
    """The answer of POST /predict."""
    kinds: dict[str, Any] = {
        "regression": (float, Field(description=f"The predicted {spec.label.name}.")),
        "binary": (float, Field(ge=0, le=1, description=f"The probability of {spec.label.name}.")),
        "multiclass": (dict[str, float], Field(description=f"The probability of each {spec.label.name}.")),
    }
    item = create_model("Prediction", id=(str, ...), prediction=kinds[spec.task])
    return create_model(
        "PredictAnswer",
        model=(str, ...),
        version=(int, ...),
        revision=(str, ...),
        predictions=(list[item], ...),  # type: ignore[valid-type]
    )


def build_label_body(spec: ModelSpec) -> type[RawBody]:
    """The body of POST /labels: what turned out to be true."""
    entry = create_model(
        "LabelEntry",
        __config__=ConfigDict(extra="forbid"),
        id=(Id, ...),
        field=_build_field(spec.label, "label"),
        observed_at=(datetime | None, Field(None, description="When it was known, with zone; else now.")),
    )
    entries = (list[entry], Field(min_length=1, max_length=spec.serving.max_rows))  # type: ignore[valid-type]
    return create_model("LabelBody", __base__=RawBody, labels=entries)


class LabelAnswer(BaseModel):
    """How many labels were kept, and for how many of them no prediction is stored so far."""

    accepted: int
    unknown_so_far: int


def _build_field(field: Feature | Label, name: str) -> tuple[Any, Any]:
    """Type and description under an alias: a feature's name need not be one for Python."""
    kind: Any = Literal[field.values] if field.values else TYPES[field.type]
    lower, upper = field.range or (None, None)
    described = Field(alias=name, title=field.name, description=describe_allowed(field), ge=lower, le=upper)
    if isinstance(field, Feature) and field.nullable:
        described.default = None
        return Annotated[kind, Field(ge=lower, le=upper)] | None, described
    return kind, described
