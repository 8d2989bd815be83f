-- A quantile of the time to answer a request in a window, in milliseconds, as in histogram_quantile().
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
)

SELECT
    histogram_quantile(array_agg(count ORDER BY bin), of_share) AS quantile_ms,
    coalesce(sum(count), 0)::bigint AS requests
FROM observed
$$
