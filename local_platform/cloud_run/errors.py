"""The refusals of the Admin API, in Google's words and shape."""

from enum import Enum
from typing import Any

from cyclone.errors import CycloneError


class Status(Enum):
    """Google's canonical states. The value is (code of `google.rpc.Code`, HTTP code)."""

    INVALID_ARGUMENT = (3, 400)
    NOT_FOUND = (5, 404)
    ALREADY_EXISTS = (6, 409)
    FAILED_PRECONDITION = (9, 400)
    PERMISSION_DENIED = (7, 403)
    RESOURCE_EXHAUSTED = (8, 429)
    ABORTED = (10, 409)
    UNIMPLEMENTED = (12, 501)
    INTERNAL = (13, 500)
    UNAVAILABLE = (14, 503)


class ApiError(CycloneError):
    """A refused request. `field` is the path of the field that is to blame, or empty."""

    def __init__(self, status: Status, message: str, field: str = ""):
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field

    @property
    def http_code(self) -> int:
        """The status code of the HTTP answer."""
        return self.status.value[1]

    def to_response(self) -> dict[str, Any]:
        """The body of the HTTP answer."""
        error = {"code": self.http_code, "message": self.message, "status": self.status.name}
        return {"error": error | {"details": self._details()}}

    def to_operation_error(self) -> dict[str, Any]:
        """The `google.rpc.Status` of a failed operation."""
        return {"code": self.status.value[0], "message": self.message, "details": self._details()}

    def _details(self) -> list[dict[str, Any]]:
        if not self.field:
            return []
        violation = {"field": self.field, "description": self.message}
        return [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]


def invalid(field: str, message: str) -> ApiError:
    """INVALID_ARGUMENT for one field, which the message names."""
    return ApiError(Status.INVALID_ARGUMENT, f"{field}: {message}", field)


def not_found(name: str) -> ApiError:
    """NOT_FOUND for a resource or operation, by its full name."""
    return ApiError(Status.NOT_FOUND, f"Resource '{name}' was not found.")
