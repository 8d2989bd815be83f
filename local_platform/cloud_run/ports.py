"""Ports for addresses and instances."""

from collections.abc import Collection

from cyclone.errors import PlatformError
from local_platform.processes import free_port

# The ports that are tried. The value is a choice: so many taken ports in a row mean that something else is wrong.
_ATTEMPTS = 100


def take_port(reserved: Collection[int]) -> int:
    """A free port of 127.0.0.1 that is not reserved. Errors: `PlatformError` when none is found."""
    for _ in range(_ATTEMPTS):
        port = free_port(0)
        if port not in reserved:
            return port
    raise PlatformError(
        f"{_ATTEMPTS} free ports of 127.0.0.1 were tried, and all were among {len(reserved)} reserved ones."
        " Delete services or tags that nobody needs."
    )
