-- Facts about each feature, from the newest forty rows of each hour of a window and of the day before it.
-- They are the rows of the window, how many of them miss the feature, how many rows of the day before have it, and how
-- many different values there are in both. Forty rows of each hour keep it fast, and see every hour of the day.
-- params: model text, version integer, features text[], window_start timestamptz, window_end timestamptz (whole hours)
-- returns: feature text, rows bigint, missing bigint, values_before bigint, distinct_values bigint,
--   accepted_missing_share double precision (0..1, at the version's training)
WITH hour AS (
    SELECT start
    FROM generate_series(
        %(window_start)s::timestamptz - interval '1 day',
        %(window_end)s::timestamptz - interval '1 hour',
        interval '1 hour'
    ) AS hours (start)
),

newest AS (
    SELECT
        row_of_hour.input,
        hour.start >= %(window_start)s::timestamptz AS is_in_window
    FROM hour
    CROSS JOIN LATERAL (
        SELECT prediction_log.input
        FROM prediction_log
        WHERE
            prediction_log.model = %(model)s::text
            AND prediction_log.version IS NOT NULL
            AND prediction_log.created_at >= hour.start
            AND prediction_log.created_at < hour.start + interval '1 hour'
        ORDER BY prediction_log.created_at DESC
        LIMIT 40
    ) AS row_of_hour
),

accepted AS (
    SELECT
        feature,
        sum(count) FILTER (WHERE bin = -1) / nullif(sum(count), 0)::double precision AS missing_share
    FROM reference_bin
    WHERE model = %(model)s::text AND version = %(version)s::integer
    GROUP BY feature
),

valued AS (
    SELECT
        name.feature,
        newest.is_in_window,
        nullif(newest.input -> name.feature, 'null') AS value
    FROM newest
    CROSS JOIN unnest(%(features)s::text[]) AS name (feature)
)

SELECT
    valued.feature,
    count(*) FILTER (WHERE valued.is_in_window) AS rows,
    count(*) FILTER (WHERE valued.is_in_window AND valued.value IS NULL) AS missing,
    count(valued.value) FILTER (WHERE NOT valued.is_in_window) AS values_before,
    count(DISTINCT valued.value) AS distinct_values,
    coalesce(max(accepted.missing_share), 0) AS accepted_missing_share
FROM valued
LEFT JOIN accepted ON valued.feature = accepted.feature
GROUP BY valued.feature
ORDER BY valued.feature
