-- Move the rows of history_stage into the log and the labels. An id that is there already stays as it is.
-- params: model text
-- returns: inserted bigint, the number of rows that were new
WITH new_id AS (
    INSERT INTO prediction_id (model, id, created_at)
    SELECT
        %(model)s::text AS model,
        id,
        created_at
    FROM history_stage
    ON CONFLICT DO NOTHING
    RETURNING id
),

new_log AS (
    INSERT INTO prediction_log (model, id, input, created_at)
    SELECT
        %(model)s::text AS model,
        history_stage.id,
        history_stage.input,
        history_stage.created_at
    FROM history_stage
    INNER JOIN new_id ON history_stage.id = new_id.id
    RETURNING id
),

new_label AS (
    INSERT INTO label (model, id, label, observed_at)
    SELECT
        %(model)s::text AS model,
        history_stage.id,
        history_stage.label,
        history_stage.observed_at
    FROM history_stage
    INNER JOIN new_id ON history_stage.id = new_id.id
    RETURNING id
)

SELECT count(*) AS inserted
FROM new_log
