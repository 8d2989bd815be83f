"""Ports for addresses and instances."""

from collections.abc import Collection

from cyclone.errors import PlatformError
from local_platform.processes import free_port

_ATTEMPTS = 100


def take_port(reserved: Collection[int]) -> int:
    """A free port of 127.0.0.1 that is not reserved."""
    for _ in range(_ATTEMPTS):
        port = free_port(0)
        if port not in reserved:
            return port
    raise PlatformError(f"No free port of 127.0.0.1 was found that is not one of {len(reserved)} reserved ones.")
