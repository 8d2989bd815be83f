-- Remembers new labels whose prediction is not stored yet, and forgets those whose prediction has come.
-- params: model text, since text, now text (both a pg_snapshot). It reads the temporary table error_change.
-- returns: nothing
WITH found AS (
    DELETE FROM label_waiting USING error_change
    WHERE label_waiting.model = %(model)s::text AND label_waiting.id = error_change.id
)

INSERT INTO label_waiting (model, id)
SELECT DISTINCT
    %(model)s::text AS model,
    label.id
FROM label
LEFT JOIN error_change ON label.id = error_change.id
WHERE
    label.model = %(model)s::text
    AND became_visible(label.stored_in, %(since)s::pg_snapshot, %(now)s::pg_snapshot)
    AND error_change.id IS NULL
ON CONFLICT DO NOTHING
