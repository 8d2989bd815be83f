"""UUIDs of version 7 (RFC 9562). They are unique, and sorted they are in the order in which one process made them."""

import os
import threading
import time

# The fields of an id of version 7 besides the time, as RFC 9562 lays them out.
_COUNTER_BITS = 12
_RANDOM_BITS = 62


class PredictionIds:
    """Makes ids. Threads may share it.

    An id holds 48 bits of Unix milliseconds, then 12 bits of a counter, then 62 random bits. The counter starts from
    the fraction of the millisecond and counts on within it (RFC 9562, section 6.2, method 3).
    """

    def __init__(self) -> None:
        self._last_tick = 0
        self._lock = threading.Lock()

    def make(self) -> str:
        """A new id, greater than every earlier one even when the clock steps back."""
        milliseconds, rest = divmod(time.time_ns(), 1_000_000)
        tick = (milliseconds << _COUNTER_BITS) | (rest << _COUNTER_BITS) // 1_000_000
        with self._lock:
            tick = self._last_tick = max(tick, self._last_tick + 1)
        random = int.from_bytes(os.urandom(8)) >> (64 - _RANDOM_BITS)
        milliseconds, counter = tick >> _COUNTER_BITS, tick & 0xFFF
        digits = f"{(milliseconds << 80) | (0x7 << 76) | (counter << 64) | (0b10 << 62) | random:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
