-- Remove the rows of an earlier history file that history_stage does not hold as they are, with their labels.
-- params: model text
-- returns: removed bigint, the number of rows that went
WITH stale AS (
    SELECT
        prediction_log.id,
        prediction_log.created_at
    FROM prediction_log
    LEFT JOIN history_stage ON prediction_log.id = history_stage.id
    WHERE
        prediction_log.model = %(model)s::text
        AND prediction_log.version IS NULL
        AND starts_with(prediction_log.id, 'history-')
        AND (
            history_stage.id IS NULL
            OR history_stage.created_at != prediction_log.created_at
            OR history_stage.input != prediction_log.input
            OR NOT EXISTS (
                SELECT 1
                FROM label
                WHERE
                    label.model = %(model)s::text
                    AND label.id = history_stage.id
                    AND label.observed_at = history_stage.observed_at
                    AND label.label = history_stage.label
            )
        )
),

old_label AS (
    DELETE FROM label USING stale
    WHERE label.model = %(model)s::text AND label.id = stale.id
),

old_id AS (
    DELETE FROM prediction_id USING stale
    WHERE prediction_id.model = %(model)s::text AND prediction_id.id = stale.id
),

old_log AS (
    DELETE FROM prediction_log USING stale
    WHERE
        prediction_log.model = %(model)s::text
        AND prediction_log.id = stale.id
        AND prediction_log.created_at = stale.created_at
    RETURNING prediction_log.id
)

SELECT count(*) AS removed
FROM old_log
