"""A request's body as BentoML hands it to the service: unread, under a published schema."""

from typing import Any, ClassVar

import bentoml
from pydantic import BaseModel, PrivateAttr, create_model
from starlette.requests import Request

from bento_service.content import read_content
from bento_service.rehearsal import is_rehearsal
from bento_service.request import RequestError


class RawBody(bentoml.IODescriptor):  # type: ignore[misc]  # BentoML is not typed
    """A body kept as it came; the fields of a subclass are what OpenAPI says of it.

    BentoML's own reading would answer bad rows without their index and value, and log them with a traceback.
    """

    __root_input__: ClassVar[bool] = True
    _content: bytes = PrivateAttr(b"")
    _refusal: RequestError | None = PrivateAttr(None)
    _is_rehearsal: bool = PrivateAttr(False)

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> "RawBody":
        body: RawBody = cls.model_construct()
        body._is_rehearsal = is_rehearsal(request.headers)
        try:
            body._content = await read_content(request)
        except RequestError as refusal:
            body._refusal = refusal
        return body

    @property
    def is_rehearsal(self) -> bool:
        """Whether the request is no traffic: it is neither logged nor counted."""
        return self._is_rehearsal

    @property
    def content(self) -> bytes:
        """The body's bytes. Errors: `RequestError` when there are too many or the client left."""
        if self._refusal is not None:
            raise self._refusal
        return self._content


def publish_as(model: type[BaseModel]) -> type[RawBody]:
    """A raw body whose published schema is the model's."""
    bases: Any = (RawBody, model)
    published: type[RawBody] = create_model(model.__name__, __base__=bases)
    return published
