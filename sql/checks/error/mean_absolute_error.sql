-- Mean absolute error, in the label's unit.
-- Of the predictions whose newest label was observed in the window. The standard error takes days as independent,
-- their rows not.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject, value, standard_error, sample_size (labelled predictions)
WITH day AS (
    SELECT
        date_trunc('day', bucket_start, 'UTC') AS day,
        sum(count) AS samples,
        sum(sum_absolute_error)::double precision AS total,
        sum(count)::double precision AS weight
    FROM error_rollup
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND bucket_start >= %(window_start)s::timestamptz
        AND bucket_start < %(window_end)s::timestamptz
        AND sum_absolute_error IS NOT NULL
    GROUP BY date_trunc('day', bucket_start, 'UTC')
),

window_total AS (
    SELECT
        coalesce(sum(samples), 0)::bigint AS samples,
        sum(total ORDER BY day) / nullif(sum(weight ORDER BY day), 0) AS ratio,
        array_agg(total ORDER BY day) AS totals,
        array_agg(weight ORDER BY day) AS weights
    FROM day
)

SELECT
    'all' AS subject,
    ratio AS value,
    day_clustered_error(totals, weights, ratio) AS standard_error,
    samples AS sample_size
FROM window_total
