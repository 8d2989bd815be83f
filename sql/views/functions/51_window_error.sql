-- One metric over a window of whole days: the ratio of two sums, and its standard error, which takes days as
-- independent, their rows not. Every error check but for its last step is this. See labelled_day() for what counts.
CREATE OR REPLACE FUNCTION window_error(
    of_model text,
    of_version integer,
    window_start timestamptz,
    window_end timestamptz,
    label_delay interval,
    label_load interval,
    of_metric text
) RETURNS TABLE (
    ratio double precision,
    standard_error double precision,
    sample_size bigint
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
WITH window_total AS (
    SELECT
        coalesce(sum(samples), 0)::bigint AS samples,
        sum(total ORDER BY day) / nullif(sum(weight ORDER BY day), 0) AS ratio,
        array_agg(total ORDER BY day) AS totals,
        array_agg(weight ORDER BY day) AS weights
    FROM labelled_day(of_model, of_version, window_start, window_end, label_delay, label_load, of_metric)
)

SELECT
    ratio,
    day_clustered_error(totals, weights, ratio) AS standard_error,
    samples AS sample_size
FROM window_total
$$
