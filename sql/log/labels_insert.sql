-- Adds labels to their history, in the order in which they stand. The last one to arrive counts.
-- An undated label was observed now. It is a repeat when it says what counts already.
-- A dated label is a repeat when the history has it, with the same value. It does not count again then.
-- Run log/labels_lock before it, in the same transaction.
-- params: model text, is_live boolean (false in a replay), labels jsonb: [{id, label, observed_at or null}, …]
-- returns: count bigint, added bigint (without repeats), unknown_so_far bigint (whose prediction is not stored yet)
WITH incoming AS (
    SELECT
        entries.place,
        entries.entry ->> 'id' AS id,
        entries.entry -> 'label' AS label,
        (entries.entry ->> 'observed_at')::timestamptz AS observed_at,
        row_number() OVER (
            PARTITION BY entries.entry ->> 'id', entries.entry -> 'label', entries.entry ->> 'observed_at'
            ORDER BY entries.place
        ) AS copy
    FROM jsonb_array_elements(%(labels)s::jsonb) WITH ORDINALITY AS entries (entry, place)
),

known AS (
    SELECT DISTINCT ON (label.id)
        label.id,
        label.label
    FROM label
    WHERE label.model = %(model)s::text AND label.id IN (SELECT incoming.id FROM incoming)
    ORDER BY label.id ASC, label.arrival DESC
),

heard AS ( -- what may change which label counts
    SELECT
        place,
        id,
        label,
        observed_at,
        lag(label) OVER (PARTITION BY id ORDER BY place) AS label_before
    FROM incoming
    WHERE
        observed_at IS NULL
        OR (
            copy = 1
            AND NOT EXISTS (
                SELECT 1
                FROM label
                WHERE
                    label.model = %(model)s::text
                    AND label.id = incoming.id
                    AND label.observed_at = incoming.observed_at
                    AND label.label = incoming.label
            )
        )
),

added AS (
    INSERT INTO label (model, id, label, observed_at, is_live)
    SELECT
        %(model)s::text AS model,
        heard.id,
        heard.label,
        -- Apart from each other, so that one request may say 10, 20 and 10 again.
        coalesce(heard.observed_at, statement_timestamp() + heard.place * interval '1 microsecond') AS observed_at,
        %(is_live)s::boolean AS is_live
    FROM heard
    LEFT JOIN known ON heard.id = known.id
    WHERE heard.observed_at IS NOT NULL OR heard.label IS DISTINCT FROM coalesce(heard.label_before, known.label)
    ORDER BY heard.place
    ON CONFLICT DO NOTHING
    RETURNING 1
)

SELECT
    count(*) AS count,
    (SELECT count(*) FROM added) AS added,
    count(*) FILTER (
        WHERE NOT EXISTS (
            SELECT 1
            FROM prediction_id
            WHERE prediction_id.model = %(model)s::text AND prediction_id.id = incoming.id
        )
    ) AS unknown_so_far
FROM incoming
