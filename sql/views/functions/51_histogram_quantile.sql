-- A quantile of a histogram of the time to answer, in milliseconds, linear within a bin. `counts` are the requests of
-- each bin of latency_bound, in its order. Above the last finite bound that bound is the answer, as in Prometheus'
-- histogram_quantile. NULL without requests.
CREATE OR REPLACE FUNCTION histogram_quantile(
    counts numeric[], of_share numeric
) RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE AS $$
WITH bound AS (
    SELECT
        bin,
        upper_ms,
        lag(upper_ms, 1, 0) OVER (ORDER BY bin) AS lower_ms
    FROM latency_bound
),

histogram AS (
    SELECT
        latency.count,
        bound.lower_ms,
        CASE WHEN bound.upper_ms = 'infinity' THEN bound.lower_ms ELSE bound.upper_ms END AS upper_ms,
        of_share * sum(latency.count) OVER () AS rank,
        sum(latency.count) OVER (ORDER BY bound.bin) AS cumulative
    FROM unnest(counts) WITH ORDINALITY AS latency (count, bin)
    INNER JOIN bound ON latency.bin = bound.bin
)

-- The quantile lies in the first bin that reaches the rank.
SELECT min(lower_ms + (upper_ms - lower_ms) * (rank - (cumulative - count)) / count)
FROM histogram
WHERE cumulative >= rank AND cumulative - count < rank
$$
