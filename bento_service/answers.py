"""How the service and the logging proxy answer alike, and what they may say of a failure."""

import logging
import traceback
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from bento_service.request import RequestError


def answer(content: Any, status: int = 200) -> Response:
    """The content as JSON."""
    return Response(to_json(content), status, media_type="application/json")


def refuse(refusal: RequestError) -> Response:
    """What is wrong with the request, in the form of every refusal."""
    return answer(refusal.to_json(), refusal.status)


def fail(error: str, status: int) -> Response:
    """A failure of ours in the same form; no row is to blame."""
    return answer({"error": error, "details": []}, status)


def log_failure(logger: logging.Logger, error: Exception) -> None:
    """Where it failed, without the error's message: that may quote a row's values."""
    places = "".join(traceback.format_tb(error.__traceback__))
    logger.error("the request failed with %s at\n%s", type(error).__name__, places)
