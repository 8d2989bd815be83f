"""What Google Cloud does and a laptop need not: the conditions under which the stand-in can be made to run."""

import time
from collections import deque
from dataclasses import dataclass

from local_platform.cloud_run.errors import ApiError, Status


@dataclass(frozen=True)
class Conditions:
    """By default all is as kind as it can be: splits are exact and at once, and nobody is refused or restarted."""

    has_random_split: bool = False
    traffic_delay_seconds: float = 0
    """How long after a traffic change requests still go where they went before."""
    restart_seconds: float = 0
    """How old an instance gets before maintenance replaces it. 0 is never."""
    is_ephemeral: bool = False
    """Whether each instance has a folder of its own, which counts as its memory and goes with it."""


class Quota:
    """So many calls of the Admin API in so many seconds. 0 calls is no limit."""

    def __init__(self, calls: int, seconds: float):
        self._calls, self._seconds = calls, seconds
        self._times: deque[float] = deque()

    def count(self) -> None:
        """Count a call. Errors: `ApiError` RESOURCE_EXHAUSTED when it is one too many. Then it does not count."""
        if not self._calls:
            return
        now = time.monotonic()
        while self._times and self._times[0] <= now - self._seconds:
            self._times.popleft()
        if len(self._times) >= self._calls:
            raise ApiError(
                Status.RESOURCE_EXHAUSTED,
                "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute per region' of service"
                f" 'run.googleapis.com'. Here it is {self._calls} in {self._seconds:g} s.",
            )
        self._times.append(now)
