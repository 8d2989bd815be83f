-- Facts about each feature, from the newest forty rows of each hour of a window and of the day before it.
-- They are the rows of the window, how many of them miss the feature, how many rows of the day before have it, and how
-- many rows of each have the value that most rows of both have. Forty rows of each hour keep it fast, and see every
-- hour of the day.
-- params: model text, version integer, features text[], window_start timestamptz, window_end timestamptz (whole hours)
-- returns: feature text, rows bigint, missing bigint, values_before bigint, common bigint, common_before bigint,
--   accepted_missing_share double precision (0..1, at the version's training), accepted_common_share double precision
--   (0..1, at most so many training rows with a value had this one, 0 for what is no number)
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
        row_of_hour.input || '{}' AS input, -- decompresses a wide row once, and not once for each of its features
        hour.start >= %(window_start)s::timestamptz AS is_in_window
    FROM hour
    CROSS JOIN
        LATERAL (
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
    OFFSET 0 -- noqa: AM09
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
),

counted AS (
    SELECT
        feature,
        value,
        count(*) FILTER (WHERE is_in_window) AS row_count,
        count(*) FILTER (WHERE NOT is_in_window) AS row_count_before
    FROM valued
    GROUP BY feature, value
),

common AS (
    SELECT DISTINCT ON (feature)
        feature,
        row_count,
        row_count_before,
        CASE WHEN jsonb_typeof(value) = 'number' THEN value::numeric END AS number
    FROM counted
    WHERE value IS NOT NULL
    ORDER BY feature ASC, row_count + row_count_before DESC, value ASC
),

-- A bin's share is the most that one of its values can have had.
accepted_common AS (
    SELECT
        common.feature,
        sum(reference_bin.count) FILTER (
            WHERE
            common.number >= coalesce(exact_number(reference_bin.lower_bound), '-infinity')
            AND common.number < coalesce(exact_number(reference_bin.upper_bound), 'infinity')
        ) / nullif(sum(reference_bin.count), 0)::double precision AS share
    FROM common
    INNER JOIN reference_bin ON common.feature = reference_bin.feature
    WHERE
        reference_bin.model = %(model)s::text
        AND reference_bin.version = %(version)s::integer
        AND reference_bin.bin >= 0
        AND reference_bin.category IS NULL
    GROUP BY common.feature
)

SELECT
    counted.feature,
    sum(counted.row_count)::bigint AS rows,
    coalesce(sum(counted.row_count) FILTER (WHERE counted.value IS NULL), 0)::bigint AS missing,
    coalesce(sum(counted.row_count_before) FILTER (WHERE counted.value IS NOT NULL), 0)::bigint AS values_before,
    coalesce(max(common.row_count), 0) AS common,
    coalesce(max(common.row_count_before), 0) AS common_before,
    coalesce(max(accepted.missing_share), 0) AS accepted_missing_share,
    coalesce(max(accepted_common.share), 0) AS accepted_common_share
FROM counted
LEFT JOIN common ON counted.feature = common.feature
LEFT JOIN accepted ON counted.feature = accepted.feature
LEFT JOIN accepted_common ON counted.feature = accepted_common.feature
GROUP BY counted.feature
ORDER BY counted.feature
