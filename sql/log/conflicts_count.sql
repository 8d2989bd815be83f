-- Counts the rows of the copied batch whose id is that of another row. Rows are the same when their inputs are. A
-- feature that is left out is the same as a null.
-- Run it after log/predictions_insert, in a statement of its own, so that it sees what another instance has stored.
-- params: model text, accounted_through bigint
-- returns: per hour of event time with any: window_start timestamptz, conflicting bigint, ids text[] (three at most)
WITH incoming AS (
    SELECT
        line ->> 'id' AS id,
        (line ->> 'created_at')::timestamptz AS created_at,
        jsonb_hash_extended(jsonb_strip_nulls(line -> 'input'), 0) AS row_hash
    FROM incoming_prediction
    WHERE (line ->> 'sequence')::bigint > %(accounted_through)s::bigint
)

SELECT
    date_trunc('hour', incoming.created_at, 'UTC') AS window_start,
    count(*) AS conflicting,
    (array_agg(DISTINCT incoming.id ORDER BY incoming.id))[:3] AS ids
FROM incoming
INNER JOIN prediction_id AS known ON known.model = %(model)s::text AND incoming.id = known.id
WHERE
    incoming.row_hash <> coalesce(
        known.row_hash,
        (
            SELECT jsonb_hash_extended(jsonb_strip_nulls(first_row.input), 0)
            FROM prediction_log AS first_row
            WHERE
                first_row.model = known.model
                AND first_row.id = known.id
                AND first_row.created_at = known.created_at
        )
    )
GROUP BY date_trunc('hour', incoming.created_at, 'UTC')
