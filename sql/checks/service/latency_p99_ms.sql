-- 99th percentile of the time to answer a request, in milliseconds.
-- It is interpolated linearly within a bin of the histogram.
-- Above the last finite bound, the value is that bound, as in histogram_quantile of Prometheus.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject, value (ms), sample_size (requests)
SELECT
    'all' AS subject,
    quantile_ms AS value,
    requests AS sample_size
FROM
    latency_quantile(
        %(model)s::text,
        %(version)s::integer,
        %(window_start)s::timestamptz,
        %(window_end)s::timestamptz,
        0.99
    )
