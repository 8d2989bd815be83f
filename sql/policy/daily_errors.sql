-- A version's mean error on each labelled day. A day is 24 hours, counted back from the window's end.
-- A day that began before the version's first label is left out, because another version served part of it.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: start timestamptz, error double precision, rows bigint. The oldest first.
WITH hour AS (
    SELECT
        bucket_start,
        count,
        coalesce(sum_absolute_error, sum_log_loss) AS sum_error,
        %(window_end)s::timestamptz - interval '24 hours'
        * ceil(extract(EPOCH FROM %(window_end)s::timestamptz - bucket_start) / 86400) AS day_start
    FROM error_rollup
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND bucket_start >= %(window_start)s::timestamptz
        AND bucket_start < %(window_end)s::timestamptz
),

first_label AS (
    SELECT min(bucket_start) AS at
    FROM error_rollup
    WHERE model = %(model)s::text AND version = %(version)s::integer
)

SELECT
    hour.day_start AS start,
    sum(hour.sum_error ORDER BY hour.bucket_start) / sum(hour.count) AS error,
    sum(hour.count)::bigint AS rows
FROM hour
CROSS JOIN first_label
WHERE hour.day_start >= first_label.at
GROUP BY hour.day_start
ORDER BY hour.day_start
