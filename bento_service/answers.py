"""The answers that the service and the logging proxy share, and what they may say of a failure."""

import logging
import traceback
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from bento_service.request import RequestError


def answer(content: Any, status: int = 200) -> Response:
    """A response with the content as JSON."""
    return Response(to_json(content), status, media_type="application/json")


def refuse(refusal: RequestError) -> Response:
    """The response to a request that is refused: what is wrong with it, in the form of every refusal."""
    return answer(refusal.to_json(), refusal.status)


def fail(error: str, status: int) -> Response:
    """The response to a failure of the service, in the form of a refusal. No row is to blame: `details` is empty."""
    return answer({"error": error, "details": []}, status)


def log_failure(logger: logging.Logger, error: Exception) -> None:
    """Log the error's type and where it was raised. Its message is left out, because it may quote a row's values."""
    places = "".join(traceback.format_tb(error.__traceback__))
    logger.error("the request failed with %s at\n%s", type(error).__name__, places)
