-- Quantiles of the time to answer by version in equal steps of whole hours, linear within a bin of the histogram as in
-- latency_quantile(). It runs as its owner, so that who may only read the views may call it. Bins are added one by one:
-- to unnest the counts of a year of hours takes five times as long. There are as many as latency_bound has.
CREATE OR REPLACE FUNCTION latency_series(
    of_model text, since timestamptz, until timestamptz, step_seconds double precision
) RETURNS TABLE (
    start timestamptz,
    version integer,
    p50_ms double precision,
    p95_ms double precision,
    p99_ms double precision
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
WITH step AS (
    SELECT make_interval(hours => ceil(greatest(step_seconds, 3600) / 3600)::integer) AS length
),

total AS (
    SELECT
        date_bin(step.length, request_rollup.bucket_start, '2000-01-01T00:00Z') AS start,
        request_rollup.version,
        ARRAY[
        sum(request_rollup.latency_counts[1]),
        sum(request_rollup.latency_counts[2]),
        sum(request_rollup.latency_counts[3]),
        sum(request_rollup.latency_counts[4]),
        sum(request_rollup.latency_counts[5]),
        sum(request_rollup.latency_counts[6]),
        sum(request_rollup.latency_counts[7]),
        sum(request_rollup.latency_counts[8]),
        sum(request_rollup.latency_counts[9]),
        sum(request_rollup.latency_counts[10]),
        sum(request_rollup.latency_counts[11]),
        sum(request_rollup.latency_counts[12]),
        sum(request_rollup.latency_counts[13])
        ] AS counts
    FROM request_rollup
    CROSS JOIN step
    WHERE
        request_rollup.model = of_model
        AND request_rollup.bucket_start >= since
        AND request_rollup.bucket_start <= until
    GROUP BY date_bin(step.length, request_rollup.bucket_start, '2000-01-01T00:00Z'), request_rollup.version
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
        total.start,
        total.version,
        latency.count,
        bound.lower_ms,
        CASE WHEN bound.upper_ms = 'infinity' THEN bound.lower_ms ELSE bound.upper_ms END AS upper_ms,
        sum(latency.count) OVER (PARTITION BY total.start, total.version) AS requests,
        sum(latency.count) OVER (PARTITION BY total.start, total.version ORDER BY latency.bin) AS cumulative
    FROM total
    CROSS JOIN LATERAL unnest(total.counts) WITH ORDINALITY AS latency (count, bin)
    INNER JOIN bound ON latency.bin = bound.bin
),

quantile AS (
    SELECT
        histogram.start,
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
    quantile.start,
    quantile.version,
    max(quantile.quantile_ms) FILTER (WHERE quantile.share = 0.5) AS p50_ms,
    max(quantile.quantile_ms) FILTER (WHERE quantile.share = 0.95) AS p95_ms,
    max(quantile.quantile_ms) FILTER (WHERE quantile.share = 0.99) AS p99_ms
FROM quantile
GROUP BY quantile.start, quantile.version
ORDER BY quantile.start, quantile.version
$$
