"""Counts of dropped rows that outlive their process, even when the disk is full.

They stand in a file that is made in its full size and mapped before any row is dropped.
"""

import mmap
import os
import struct
from datetime import UTC, datetime
from pathlib import Path

HOURS = 8192
"""The most hours that are counted one by one. Those are 341 days. The value is a choice."""
UNKNOWN_HOUR = datetime(1970, 1, 1, tzinfo=UTC)
"""The hour that stands for every other one after the first `HOURS` hours."""
_SLOT = struct.Struct("<qq")


class DropCounts:
    """The number of rows dropped, by hour of event time. Two threads need a lock to use it."""

    def __init__(self, path: Path) -> None:
        """Open the file of counts at `path`, or make it. Errors: `OSError` when the disk has no room for it."""
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, (HOURS + 1) * _SLOT.size)
            self._map = mmap.mmap(descriptor, (HOURS + 1) * _SLOT.size)
        finally:
            os.close(descriptor)
        self._slots: dict[datetime, int] = {}
        for slot in range(HOURS + 1):
            timestamp, count = _SLOT.unpack_from(self._map, slot * _SLOT.size)
            if not count:
                break
            self._slots[datetime.fromtimestamp(timestamp, UTC)] = slot
        self.total = sum(self.read().values())

    def add(self, hour: datetime, rows: int) -> None:
        """Count dropped rows of one hour, in UTC."""
        if hour not in self._slots and len(self._slots) >= HOURS:
            hour = UNKNOWN_HOUR
        slot = self._slots.setdefault(hour, len(self._slots))
        _, count = _SLOT.unpack_from(self._map, slot * _SLOT.size)
        _SLOT.pack_into(self._map, slot * _SLOT.size, int(hour.timestamp()), count + rows)
        self.total += rows

    def read(self) -> dict[datetime, int]:
        """The counts so far, by hour."""
        return {hour: _SLOT.unpack_from(self._map, slot * _SLOT.size)[1] for hour, slot in self._slots.items()}

    def close(self) -> None:
        self._map.close()
