-- The requests of each revision in the day before a time, from what instances counted by minute: answered ones, those
-- that failed (5xx) or were refused (4xx), and quantiles of the time to answer as in histogram_quantile(). A day,
-- because hours are kept by version alone, and a year of minutes takes seconds to add. It runs as its owner, and adds
-- bins, as latency_series() does.
CREATE OR REPLACE FUNCTION revision_requests(
    of_model text, until timestamptz
) RETURNS TABLE (
    revision text,
    version integer,
    requests bigint,
    failed double precision,
    refused double precision,
    p50_ms double precision,
    p95_ms double precision,
    p99_ms double precision
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
WITH told AS (
    SELECT
        request_stat.revision,
        request_stat.version,
        request_stat.requests,
        request_stat.failures,
        request_stat.rejected,
        request_stat.latency_counts
    FROM request_stat
    WHERE
        request_stat.model = of_model
        AND request_stat.bucket_start >= until - interval '24 hours'
        AND request_stat.bucket_start < until
),

total AS (
    SELECT
        told.revision,
        told.version,
        sum(told.requests)::bigint AS requests,
        (sum(told.failures) / nullif(sum(told.requests), 0))::double precision AS failed,
        (sum(told.rejected) / nullif(sum(told.requests), 0))::double precision AS refused,
        ARRAY[
        sum(told.latency_counts[1]),
        sum(told.latency_counts[2]),
        sum(told.latency_counts[3]),
        sum(told.latency_counts[4]),
        sum(told.latency_counts[5]),
        sum(told.latency_counts[6]),
        sum(told.latency_counts[7]),
        sum(told.latency_counts[8]),
        sum(told.latency_counts[9]),
        sum(told.latency_counts[10]),
        sum(told.latency_counts[11]),
        sum(told.latency_counts[12]),
        sum(told.latency_counts[13])
        ] AS counts
    FROM told
    GROUP BY told.revision, told.version
)

SELECT
    total.revision,
    total.version,
    total.requests,
    total.failed,
    total.refused,
    histogram_quantile(total.counts, 0.5) AS p50_ms,
    histogram_quantile(total.counts, 0.95) AS p95_ms,
    histogram_quantile(total.counts, 0.99) AS p99_ms
FROM total
ORDER BY total.version DESC, total.revision
$$
