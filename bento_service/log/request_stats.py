"""How many requests came, failed and how long they took, by minute of event time, until they are written."""

import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

LATENCY_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Upper bounds of the histogram's bins, inclusive; a last bin is open. The table `latency_bound` says the same."""


@dataclass
class Bucket:
    """One minute. Latency is that of requests that were answered or failed, not of rejected ones."""

    requests: int = 0
    rejected: int = 0
    failures: int = 0
    latency_ms_sum: float = 0.0
    latency_counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_MS) + 1))

    def add(self, status: int, latency_ms: float) -> None:
        self.requests += 1
        if 400 <= status < 500:
            self.rejected += 1
            return
        self.failures += status >= 500
        self.latency_ms_sum += latency_ms
        self.latency_counts[bisect_left(LATENCY_BOUNDS_MS, latency_ms)] += 1


class RequestStats:
    """Counts between two flushes; safe to share between threads."""

    def __init__(self) -> None:
        self._buckets: dict[datetime, Bucket] = {}
        self._lock = threading.Lock()

    def add(self, at: datetime, status: int, latency_ms: float) -> None:
        """Count one request; `at` is its event time."""
        minute = at.replace(second=0, microsecond=0)
        with self._lock:
            self._buckets.setdefault(minute, Bucket()).add(status, latency_ms)

    def take(self) -> list[dict[str, Any]]:
        """What was counted since the last call, as JSON-able rows of `request_stat`."""
        with self._lock:
            taken, self._buckets = self._buckets, {}
        return [{"bucket_start": minute.isoformat(), **vars(bucket)} for minute, bucket in sorted(taken.items())]

    def __bool__(self) -> bool:
        return bool(self._buckets)
