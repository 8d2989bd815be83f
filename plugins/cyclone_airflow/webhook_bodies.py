"""The bodies of webhooks while they come. Senders may have proven nothing yet, so none keeps a place from another."""

import asyncio

from starlette.requests import Request

MOST_BYTES = 2**21
"""The longest body, 2 MiB. An alert takes one or two kilobytes, so they are as many as `MOST_ALERTS`."""
MOST_HELD_BYTES = 8 * MOST_BYTES
"""The most bytes of all bodies that are being read, 16 MiB. Real ones are rarely of more than a few kilobytes."""
BODY_SECONDS = 10.0
"""How long a body may take to come. Grafana sends it at once."""


class Bodies:
    """The bodies that are being read now. When they are too many bytes, the one that takes longest gives way."""

    def __init__(self) -> None:
        self._reading: dict[asyncio.Timeout, bytearray] = {}
        self._held_bytes = 0

    async def read(self, request: Request) -> bytearray | None:
        """The body, or None if it is too long. What lies beyond the limit is not read.

        Errors: `TimeoutError` when it takes too long, or longest of too many. `ClientDisconnect` when it breaks off.
        """
        length = request.headers.get("Content-Length", "")
        if length.isascii() and length.isdigit() and (len(length) > 12 or int(length) > MOST_BYTES):
            return None
        async with asyncio.timeout(BODY_SECONDS) as limit:
            self._reading[limit] = bytearray()
            try:
                async for part in request.stream():
                    if not self._keep(limit, part):
                        return None
                return self._reading[limit]
            finally:
                self._held_bytes -= len(self._reading.pop(limit))

    def _keep(self, limit: asyncio.Timeout, part: bytes) -> bool:
        """Keep a part of a body. False when the body is too long."""
        self._reading[limit] += part
        self._held_bytes += len(part)
        if self._held_bytes > MOST_HELD_BYTES:
            slowest = next((other for other in self._reading if not other.expired()), limit)
            if not slowest.expired():
                slowest.reschedule(0)  # a time that has passed ends it
        return len(self._reading[limit]) <= MOST_BYTES
