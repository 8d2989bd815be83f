-- The requests of a model's versions in equal steps, with quantiles of their latency, linear within a bin of the
-- histogram as in latency_quantile(). A step is of whole hours. It runs as its owner, so that who may only read the
-- views may call it.
CREATE OR REPLACE FUNCTION request_series(
    of_model text, since timestamptz, until timestamptz, step_seconds double precision
) RETURNS TABLE (
    start timestamptz,
    version integer,
    requests bigint,
    rejected bigint,
    failures bigint,
    p50_ms double precision,
    p95_ms double precision,
    p99_ms double precision
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
WITH step AS (
    SELECT make_interval(hours => ceil(greatest(step_seconds, 3600) / 3600)::integer) AS length
),

hour AS (
    SELECT
        date_bin(step.length, request_rollup.bucket_start, '2000-01-01T00:00Z') AS start,
        request_rollup.version,
        request_rollup.requests,
        request_rollup.rejected,
        request_rollup.failures,
        request_rollup.latency_counts
    FROM request_rollup
    CROSS JOIN step
    WHERE
        request_rollup.model = of_model
        AND request_rollup.bucket_start >= since
        AND request_rollup.bucket_start <= until
),

total AS (
    SELECT
        hour.start,
        hour.version,
        sum(hour.requests)::bigint AS requests,
        sum(hour.rejected)::bigint AS rejected,
        sum(hour.failures)::bigint AS failures
    FROM hour
    GROUP BY hour.start, hour.version
),

bin AS (
    SELECT
        hour.start,
        hour.version,
        latency.bin,
        sum(latency.count) AS count
    FROM hour
    CROSS JOIN LATERAL unnest(hour.latency_counts) WITH ORDINALITY AS latency (count, bin)
    GROUP BY hour.start, hour.version, latency.bin
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
        bin.start,
        bin.version,
        bin.count,
        bound.lower_ms,
        CASE WHEN bound.upper_ms = 'infinity' THEN bound.lower_ms ELSE bound.upper_ms END AS upper_ms,
        sum(bin.count) OVER (PARTITION BY bin.start, bin.version) AS total,
        sum(bin.count) OVER (PARTITION BY bin.start, bin.version ORDER BY bin.bin) AS cumulative
    FROM bin
    INNER JOIN bound ON bin.bin = bound.bin
),

quantile AS (
    SELECT
        histogram.start,
        histogram.version,
        share.share,
        min(
            histogram.lower_ms + (histogram.upper_ms - histogram.lower_ms)
            * (share.share * histogram.total - (histogram.cumulative - histogram.count)) / histogram.count
        )::double precision AS quantile_ms
    FROM histogram
    INNER JOIN (VALUES (0.5), (0.95), (0.99)) AS share (share)
        ON
            histogram.cumulative >= share.share * histogram.total
            AND histogram.cumulative - histogram.count < share.share * histogram.total
    GROUP BY histogram.start, histogram.version, share.share
)

SELECT
    total.start,
    total.version,
    total.requests,
    total.rejected,
    total.failures,
    max(quantile.quantile_ms) FILTER (WHERE quantile.share = 0.5) AS p50_ms,
    max(quantile.quantile_ms) FILTER (WHERE quantile.share = 0.95) AS p95_ms,
    max(quantile.quantile_ms) FILTER (WHERE quantile.share = 0.99) AS p99_ms
FROM total
LEFT JOIN quantile ON total.start = quantile.start AND total.version = quantile.version
GROUP BY total.start, total.version, total.requests, total.rejected, total.failures
ORDER BY total.start, total.version
$$
