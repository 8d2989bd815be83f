from datetime import UTC, datetime

from bento_service.log.request_stats import LATENCY_BOUNDS_MS, RequestStats


def test_requests_are_counted_by_minute_with_a_histogram_of_those_not_rejected() -> None:
    stats = RequestStats()
    for second, status, latency_ms in [(1, 200, 1.0), (59, 200, 1.5), (2, 400, 3.0), (3, 500, 9000.0)]:
        stats.add(datetime(2011, 1, 1, 0, 0, second, 7, tzinfo=UTC), status, latency_ms)
    stats.add(datetime(2011, 1, 1, 0, 1, tzinfo=UTC), 503, 5.0)
    bins = len(LATENCY_BOUNDS_MS) + 1
    assert stats.take() == [
        {
            "bucket_start": "2011-01-01T00:00:00+00:00",
            "requests": 4,
            "rejected": 1,
            "failures": 1,
            "latency_ms_sum": 9002.5,
            "latency_counts": [1, 1, *[0] * (bins - 3), 1],
        },
        {
            "bucket_start": "2011-01-01T00:01:00+00:00",
            "requests": 1,
            "rejected": 0,
            "failures": 1,
            "latency_ms_sum": 5.0,
            "latency_counts": [0, 0, 1, *[0] * (bins - 3)],
        },
    ]
    assert stats.take() == []
