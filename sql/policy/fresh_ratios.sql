-- How earlier versions did when they were new.
-- A day has the rows whose label was due in it.
-- The ratio is the geometric mean of a version's errors on its first labelled days, over its accepted error. Versions
-- that were not promoted, or were rolled back, do not count. Older versions than the last ten tell little of the next.
-- A day's error counts as at least 0.01 of the accepted one, because a day without any error has no logarithm. That
-- bound is a choice.
-- params: model text, version integer (the present one), days integer, at timestamptz (00:00 UTC), label_delay interval
-- returns: version integer, ratio double precision. The oldest first, at most ten.
WITH day AS (
    SELECT
        version,
        date_trunc('day', bucket_start + %(label_delay)s::interval, 'UTC') AS start,
        sum(coalesce(sum_absolute_error, sum_log_loss)) / sum(count) AS error,
        row_number() OVER (
            PARTITION BY version
            ORDER BY date_trunc('day', bucket_start + %(label_delay)s::interval, 'UTC')
        ) AS day_number
    FROM error_rollup
    WHERE
        model = %(model)s::text
        AND version < %(version)s::integer
        AND bucket_start < %(at)s::timestamptz - %(label_delay)s::interval
        AND known_day < %(at)s::timestamptz
    GROUP BY version, date_trunc('day', bucket_start + %(label_delay)s::interval, 'UTC')
    HAVING sum(count) > 0
),

promoted AS (
    SELECT DISTINCT version
    FROM release
    WHERE
        model = %(model)s::text
        AND promoted_at <= %(at)s::timestamptz
        AND NOT (state = 'rolled_back' AND coalesce(ended_at <= %(at)s::timestamptz, true))
),

newest AS (
    SELECT
        day.version,
        exp(avg(ln(greatest(day.error / profile.accepted_error, 0.01)))) AS ratio
    FROM day
    INNER JOIN promoted ON day.version = promoted.version
    INNER JOIN reference_profile AS profile
        ON profile.model = %(model)s::text AND day.version = profile.version
    WHERE day.day_number <= %(days)s::integer AND profile.accepted_error > 0
    GROUP BY day.version
    ORDER BY day.version DESC
    LIMIT 10
)

SELECT
    version,
    ratio
FROM newest
ORDER BY version
