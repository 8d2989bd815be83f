"""The metrics that Prometheus can scrape at /metrics, in addition to BentoML's own."""

import os
from contextlib import suppress
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from bento_service.log.request_stats import LATENCY_BOUNDS_MS
from cyclone.image_contract import METRICS_DIR_VARIABLE

REQUESTS = Counter("cyclone_requests_total", "Requests to /predict by the class of their answer", ["code"])
LATENCY = Histogram(
    "cyclone_request_seconds",
    "Time from a request's body to its answer, without rejected ones",
    buckets=[bound / 1000 for bound in LATENCY_BOUNDS_MS],
)
LOG_QUEUE = Gauge(
    "cyclone_log_queue_rows",
    "Answered rows that wait to be stored",
    multiprocess_mode="livesum",
)
LOG_SPOOL = Gauge("cyclone_log_spool_bytes", "Bytes of this spool on disk", multiprocess_mode="livesum")
LOG_ROWS = Counter("cyclone_log_rows_total", "Answered rows by what became of them", ["outcome"])
for code in ("2xx", "4xx", "5xx"):  # these are 0 from the start, so that an alert sees the first failure as a rise
    REQUESTS.labels(code=code)
for outcome in ("stored", "repeated", "conflicting", "dropped", "set_aside"):
    LOG_ROWS.labels(outcome=outcome)


def observe_request(status: int, seconds: float) -> None:
    """Count one answered request to /predict."""
    REQUESTS.labels(code=f"{status // 100}xx").inc()
    if not 400 <= status < 500:
        LATENCY.observe(seconds)


def count_rows(**outcomes: int) -> None:
    """Count rows of the prediction log by outcome: stored, repeated, conflicting, dropped or set_aside."""
    for outcome, count in outcomes.items():
        if count:
            LOG_ROWS.labels(outcome=outcome).inc(count)


def forget_killed_workers() -> None:
    """Take the gauges of killed workers out of the sums. A worker that ends in order has set its own to zero."""
    from prometheus_client.multiprocess import mark_process_dead

    folder = os.environ.get(METRICS_DIR_VARIABLE, "")
    for path in Path(folder).glob("gauge_live*.db") if folder else ():
        pid = int(path.stem.rsplit("_", 1)[1])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker was faster
                mark_process_dead(pid)  # type: ignore[no-untyped-call]
