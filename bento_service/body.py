"""A request's body as BentoML hands it to the service: unread, under a published schema."""

from typing import Any, ClassVar

import bentoml
from pydantic import BaseModel, PrivateAttr, create_model
from starlette.requests import Request

from bento_service.content import Body, receive_body


class RawBody(bentoml.IODescriptor):  # type: ignore[misc]  # BentoML is not typed
    """A body kept as it came; the fields of a subclass are what OpenAPI says of it.

    BentoML's own reading would answer bad rows without their index and value, and log them with a traceback.
    """

    __root_input__: ClassVar[bool] = True
    _body: Body = PrivateAttr(Body())

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> "RawBody":
        raw: RawBody = cls.model_construct()
        raw._body = await receive_body(request)
        return raw

    @property
    def body(self) -> Body:
        return self._body


def publish_as(model: type[BaseModel]) -> type[RawBody]:
    """A raw body whose published schema is the model's."""
    bases: Any = (RawBody, model)
    published: type[RawBody] = create_model(model.__name__, __base__=bases)
    return published
