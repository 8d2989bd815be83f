"""Ports for addresses and instances."""

import random
from collections.abc import Collection

from cyclone.errors import PlatformError
from local_platform.processes import free_port

# Below 32768, where Linux begins to give ports to outgoing connections: those would take a port away before its
# owner listens on it, or while its owner restarts.
_RANGE = range(10000, 32768)
_ATTEMPTS = 500


def take_port(reserved: Collection[int]) -> int:
    """A free port of 127.0.0.1 that is not reserved, at random so that neighbours seldom meet."""
    for _ in range(_ATTEMPTS):
        port = random.choice(_RANGE)  # noqa: S311 (not a secret)
        if port not in reserved and free_port(port) == port:
            return port
    raise PlatformError(f"No free port was found between {_RANGE.start} and {_RANGE.stop - 1} on 127.0.0.1.")
