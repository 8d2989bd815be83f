-- How earlier versions did when they were new: the geometric mean of their errors on their first labelled days
-- over the error that they were accepted with. A version that was not promoted, or was rolled back, does not count.
-- params: model text, version integer (the present one), days integer, at timestamptz (a day's end)
-- returns: version integer, ratio double precision; the oldest first, at most ten
WITH day AS (
    SELECT
        version,
        date_trunc('day', bucket_start, 'UTC') AS start,
        sum(coalesce(sum_absolute_error, sum_log_loss)) / sum(count) AS error,
        row_number() OVER (PARTITION BY version ORDER BY date_trunc('day', bucket_start, 'UTC')) AS day_number
    FROM error_rollup
    WHERE
        model = %(model)s::text
        AND version < %(version)s::integer
        AND bucket_start < %(at)s::timestamptz
    GROUP BY version, date_trunc('day', bucket_start, 'UTC')
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
