-- Mean absolute error of the predictions whose newest label was observed in the window, in the label's unit.
-- The standard error takes rows as independent; hours of one day are not, so read it as a lower bound.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject, value, standard_error, sample_size (labelled predictions)
WITH total AS (
    SELECT
        coalesce(sum(count), 0)::bigint AS n,
        sum(sum_absolute_error ORDER BY bucket_start) / sum(count) AS mean,
        sum(sum_squared_error ORDER BY bucket_start) / sum(count) AS mean_square
    FROM error_rollup
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND bucket_start >= %(window_start)s::timestamptz
        AND bucket_start < %(window_end)s::timestamptz
        AND sum_absolute_error IS NOT NULL
)

SELECT
    'all' AS subject,
    mean AS value,
    sqrt(abs(mean_square - mean ^ 2) / nullif(n - 1, 0)) AS standard_error,
    n AS sample_size
FROM total
