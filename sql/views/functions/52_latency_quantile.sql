-- A quantile of the time to answer a request in a window, in milliseconds, linear within a bin of the histogram.
-- Above the last finite bound that bound is the answer, as in Prometheus' histogram_quantile.
CREATE OR REPLACE FUNCTION latency_quantile(
    of_model text, of_version integer, window_start timestamptz, window_end timestamptz, of_share numeric
) RETURNS TABLE (
    quantile_ms double precision,
    requests bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
WITH observed AS (
    SELECT
        latency.bin,
        sum(latency.count) AS count
    FROM request_rollup
    CROSS JOIN LATERAL unnest(request_rollup.latency_counts) WITH ORDINALITY AS latency (count, bin)
    WHERE
        request_rollup.model = of_model
        AND request_rollup.version = of_version
        AND request_rollup.bucket_start >= window_start
        AND request_rollup.bucket_start < window_end
    GROUP BY latency.bin
),

bound AS (
    SELECT
        bin,
        upper_ms,
        lag(upper_ms, 1, 0) OVER (ORDER BY bin) AS lower_ms
    FROM latency_bound
),

histogram AS (
    SELECT
        observed.count,
        bound.lower_ms,
        CASE WHEN bound.upper_ms = 'infinity' THEN bound.lower_ms ELSE bound.upper_ms END AS upper_ms,
        of_share * sum(observed.count) OVER () AS rank,
        sum(observed.count) OVER (ORDER BY observed.bin) AS cumulative
    FROM observed
    INNER JOIN bound ON observed.bin = bound.bin
),

-- The quantile lies in the first bin that reaches the rank.
quantile AS (
    SELECT
        count,
        CASE
            WHEN cumulative >= rank AND cumulative - count < rank
                THEN lower_ms + (upper_ms - lower_ms) * (rank - (cumulative - count)) / count
        END AS quantile_ms
    FROM histogram
)

SELECT
    min(quantile_ms) AS quantile_ms,
    coalesce(sum(count), 0)::bigint AS requests
FROM quantile
$$
