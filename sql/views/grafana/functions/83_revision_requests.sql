-- The requests of each revision in the day before a time, from what instances counted by minute: answered ones, those
-- that failed (5xx) or were refused (4xx), and quantiles of the time to answer as in latency_quantile(). A day, because
-- hours are kept by version alone, and a year of minutes takes seconds to add. It runs as its owner, and adds
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
),

observed AS (
    SELECT
        total.revision,
        total.version,
        latency.bin,
        latency.count
    FROM total
    CROSS JOIN LATERAL unnest(total.counts) WITH ORDINALITY AS latency (count, bin)
),

bound AS (
    SELECT
        latency_bound.bin,
        latency_bound.upper_ms,
        lag(latency_bound.upper_ms, 1, 0) OVER (ORDER BY latency_bound.bin) AS lower_ms
    FROM latency_bound
),

histogram AS (
    SELECT
        observed.revision,
        observed.version,
        observed.count,
        bound.lower_ms,
        CASE WHEN bound.upper_ms = 'infinity' THEN bound.lower_ms ELSE bound.upper_ms END AS upper_ms,
        sum(observed.count) OVER (PARTITION BY observed.revision, observed.version) AS requests,
        sum(observed.count) OVER (PARTITION BY observed.revision, observed.version ORDER BY observed.bin) AS cumulative
    FROM observed
    INNER JOIN bound ON observed.bin = bound.bin
),

quantile AS (
    SELECT
        histogram.revision,
        histogram.version,
        share.share,
        (
            histogram.lower_ms + (histogram.upper_ms - histogram.lower_ms)
            * (share.share * histogram.requests - (histogram.cumulative - histogram.count)) / histogram.count
        )::double precision AS quantile_ms
    FROM histogram
    INNER JOIN (VALUES (0.5), (0.95), (0.99)) AS share (share)
        ON
            histogram.cumulative >= share.share * histogram.requests
            AND histogram.cumulative - histogram.count < share.share * histogram.requests
)

SELECT
    total.revision,
    total.version,
    total.requests,
    total.failed,
    total.refused,
    max(quantile.quantile_ms) FILTER (WHERE quantile.share = 0.5) AS p50_ms,
    max(quantile.quantile_ms) FILTER (WHERE quantile.share = 0.95) AS p95_ms,
    max(quantile.quantile_ms) FILTER (WHERE quantile.share = 0.99) AS p99_ms
FROM total
LEFT JOIN quantile ON total.revision = quantile.revision AND total.version = quantile.version
GROUP BY total.revision, total.version, total.requests, total.failed, total.refused
ORDER BY total.version DESC, total.revision
$$
