-- Adds labels to their history. One without observed_at was observed now, unless it is the newest known.
-- params: model text, now timestamptz, labels jsonb: [{id, label, observed_at or null}, …]
-- returns: accepted bigint, unknown_so_far bigint (labels whose prediction is not stored yet)
WITH incoming AS (
    SELECT
        entries.entry ->> 'id' AS id,
        entries.entry -> 'label' AS label,
        coalesce((entries.entry ->> 'observed_at')::timestamptz, %(now)s::timestamptz) AS observed_at,
        entries.entry ->> 'observed_at' IS NULL AS is_undated,
        entries.place
    FROM jsonb_array_elements(%(labels)s::jsonb) WITH ORDINALITY AS entries (entry, place)
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
        NOT is_undated OR label IS DISTINCT FROM (
            SELECT known.label
            FROM label AS known
            WHERE known.model = %(model)s::text AND known.id = incoming.id
            ORDER BY known.observed_at DESC, known.received_at DESC
            LIMIT 1
        )
    ORDER BY place
    ON CONFLICT DO NOTHING
)

SELECT
    count(*) AS accepted,
    count(*) FILTER (
        WHERE NOT EXISTS (
            SELECT 1
            FROM prediction_id
            WHERE prediction_id.model = %(model)s::text AND prediction_id.id = incoming.id
        )
    ) AS unknown_so_far
FROM incoming
