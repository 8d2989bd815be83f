-- The versions that answered on the last day of a window, with their accepted errors. The log and its counts
-- of requests say who answered.
-- A release that has ended is left out, unless it went on to answer: in a whole hour after its end.
-- params: model text, at timestamptz (releases are taken as they stood then), window_end timestamptz (a whole hour)
-- returns: version integer, metric text, accepted_error double precision. The oldest first. A version without a
--   reference profile is left out, as there is nothing to judge it by.
WITH hour AS (
    SELECT
        model,
        version,
        bucket_start
    FROM row_rollup
    UNION ALL
    SELECT -- a version whose every answer is a failure has no rows
        model,
        version,
        bucket_start
    FROM request_rollup
),

answered AS (
    SELECT
        version,
        max(bucket_start) AS newest
    FROM hour
    WHERE
        model = %(model)s::text
        AND bucket_start >= %(window_end)s::timestamptz - interval '1 day'
        AND bucket_start < %(window_end)s::timestamptz
    GROUP BY version
),

released AS (
    SELECT
        version,
        bool_and(coalesce(ended_at <= %(at)s::timestamptz, false)) AS is_over,
        max(ended_at) AS ended_at
    FROM release
    WHERE model = %(model)s::text AND created_at <= %(at)s::timestamptz
    GROUP BY version
)

SELECT
    answered.version,
    reference_profile.metric,
    reference_profile.accepted_error
FROM answered
INNER JOIN reference_profile
    ON
        reference_profile.model = %(model)s::text
        AND answered.version = reference_profile.version
LEFT JOIN released ON answered.version = released.version
WHERE
    NOT coalesce(released.is_over, false)
    OR answered.newest > released.ended_at
ORDER BY answered.version
