"""A request's body as BentoML hands it to the service: unread bytes, with the schema that OpenAPI shows."""

from typing import Any, ClassVar

import bentoml
from pydantic import BaseModel, PrivateAttr, create_model
from starlette.requests import Request

from bento_service.content import Body, receive_body


class RawBody(bentoml.IODescriptor):  # type: ignore[misc]  # BentoML is not typed
    """A body that is kept as it came. OpenAPI shows the fields of a subclass as its schema.

    BentoML's own reading would not say which row is bad and which value. It would also log the row with a traceback.
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
    """The class of a raw body with the schema of a pydantic model."""
    bases: Any = (RawBody, model)
    published: type[RawBody] = create_model(model.__name__, __base__=bases)
    return published
