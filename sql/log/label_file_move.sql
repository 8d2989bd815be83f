-- Adds the copied labels to their history. An undated one is new only when it differs from the newest known.
-- params: model text
-- returns: accepted bigint, repeated bigint (both of the batch), unknown_so_far bigint (accepted or repeated
-- labels whose prediction is not stored yet)
WITH incoming AS (
    SELECT
        place,
        id,
        label,
        observed_at,
        is_undated,
        lag(label) OVER (PARTITION BY id, is_undated ORDER BY place) AS label_before
    FROM incoming_label
),

added AS (
    INSERT INTO label (model, id, label, observed_at)
    SELECT
        %(model)s::text AS model,
        id,
        label,
        observed_at
    FROM incoming
    WHERE
        NOT is_undated OR label IS DISTINCT FROM coalesce(
            label_before,
            (
                SELECT known.label
                FROM label AS known
                WHERE known.model = %(model)s::text AND known.id = incoming.id
                ORDER BY known.observed_at DESC, known.received_at DESC
                LIMIT 1
            )
        )
    ORDER BY place
    ON CONFLICT DO NOTHING
    RETURNING 1
)

SELECT
    (SELECT count(*) FROM added) AS accepted,
    count(*) - (SELECT count(*) FROM added) AS repeated,
    count(*) FILTER (
        WHERE NOT EXISTS (
            SELECT 1
            FROM prediction_id
            WHERE prediction_id.model = %(model)s::text AND prediction_id.id = incoming.id
        )
    ) AS unknown_so_far
FROM incoming
