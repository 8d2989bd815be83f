"""Long-running operations. They are started, finished once, polled and waited for."""

import asyncio
import uuid
from typing import Any

from local_platform.cloud_run.errors import ApiError, not_found
from local_platform.cloud_run.resources import Resource, to_any


class Operations:
    """The operations of one location by name, each in the JSON form of `google.longrunning.Operation`."""

    def __init__(self, parent: str, stored: dict[str, dict[str, Any]]):
        self._parent = parent
        self._stored = stored
        self._ends: dict[str, asyncio.Event] = {}

    def start(self, subject: Resource) -> str:
        """Start an operation on the subject, and return its name."""
        name = f"{self._parent}/operations/{uuid.uuid4()}"
        self._stored[name] = {"name": name, "metadata": to_any(subject), "done": False}
        return name

    def finish(self, name: str, result: Resource | ApiError) -> None:
        """End the operation with the resource that it made, or with the error that kept it from doing so."""
        operation = self._stored[name] | {"done": True}
        if isinstance(result, ApiError):
            self._stored[name] = operation | {"error": result.to_operation_error()}
        else:
            self._stored[name] = operation | {"metadata": to_any(result), "response": to_any(result)}
        if event := self._ends.pop(name, None):
            event.set()

    def get(self, name: str) -> dict[str, Any]:
        """The operation as it is now. Errors: `ApiError` NOT_FOUND when there is none."""
        if name not in self._stored:
            raise not_found(name)
        return self._stored[name]

    def list_all(self) -> list[dict[str, Any]]:
        """All operations, the oldest first."""
        return list(self._stored.values())

    def delete(self, name: str) -> None:
        """Forget an operation that is done. One that is not done is kept, and its work goes on."""
        if self.get(name)["done"]:
            del self._stored[name]

    async def wait(self, name: str, timeout_seconds: float) -> dict[str, Any]:
        """The operation once it is done or the time is up."""
        if not self.get(name)["done"]:
            event = self._ends.setdefault(name, asyncio.Event())
            try:
                await asyncio.wait_for(event.wait(), timeout_seconds)
            except TimeoutError:
                return self.get(name)
        return self.get(name)
