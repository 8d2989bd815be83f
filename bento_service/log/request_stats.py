"""Counts of requests, of failures and of latencies, by minute of event time, until they are written to Postgres."""

import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

LATENCY_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Upper bounds of the histogram's bins in milliseconds, inclusive. One more bin is open.

The table `latency_bound` has the same.
"""


@dataclass
class Bucket:
    """The counts of one minute. Latencies are those of answered and of failed requests. Rejected ones have none."""

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
    """The counts between two flushes. Threads may share it."""

    def __init__(self) -> None:
        self._buckets: dict[datetime, Bucket] = {}
        self._lock = threading.Lock()

    def add(self, at: datetime, status: int, latency_ms: float) -> None:
        """Count one request. `at` is its event time, `status` that of its answer."""
        minute = at.replace(second=0, microsecond=0)
        with self._lock:
            self._buckets.setdefault(minute, Bucket()).add(status, latency_ms)

    def take(self) -> list[dict[str, Any]]:
        """The counts since the last call, as rows of the table `request_stat` that JSON can hold."""
        with self._lock:
            taken, self._buckets = self._buckets, {}
        return [{"bucket_start": minute.isoformat(), **vars(bucket)} for minute, bucket in sorted(taken.items())]

    def __bool__(self) -> bool:
        return bool(self._buckets)
