-- The newest thousand rows of a window: how many miss each feature, and how many different values it has.
-- params: model text, version integer, features text[], window_start timestamptz, window_end timestamptz
-- returns: feature text, rows bigint, missing bigint, distinct_values bigint,
--   accepted_missing_share double precision (where the version was trained)
WITH newest AS (
    SELECT input
    FROM prediction_log
    WHERE
        model = %(model)s::text
        AND version IS NOT NULL
        AND created_at >= %(window_start)s::timestamptz
        AND created_at < %(window_end)s::timestamptz
    ORDER BY created_at DESC
    LIMIT 1000
),

accepted AS (
    SELECT
        feature,
        sum(count) FILTER (WHERE bin = -1) / nullif(sum(count), 0)::double precision AS missing_share
    FROM reference_bin
    WHERE model = %(model)s::text AND version = %(version)s::integer
    GROUP BY feature
)

SELECT
    name.feature,
    count(*) AS rows,
    count(*) FILTER (WHERE coalesce(newest.input -> name.feature, 'null') = 'null') AS missing,
    count(DISTINCT newest.input -> name.feature) FILTER (WHERE newest.input -> name.feature != 'null')
        AS distinct_values,
    coalesce(max(accepted.missing_share), 0) AS accepted_missing_share
FROM newest
CROSS JOIN unnest(%(features)s::text[]) AS name (feature)
LEFT JOIN accepted ON name.feature = accepted.feature
GROUP BY name.feature
ORDER BY name.feature
