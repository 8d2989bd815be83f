-- Every row that was answered or imported before a moment, with the last label that was known then.
CREATE OR REPLACE FUNCTION training_row(of_model text, known_at timestamptz, since timestamptz)
RETURNS TABLE (id text, created_at timestamptz, input jsonb, label jsonb)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
WITH known_label AS (
    SELECT DISTINCT ON (label.id)
        label.id,
        label.label
    FROM label
    WHERE label.model = of_model AND label.known_at <= training_row.known_at
    ORDER BY label.id ASC, label.arrival DESC
)

SELECT
    prediction_log.id,
    prediction_log.created_at,
    prediction_log.input,
    known_label.label
FROM prediction_log
INNER JOIN known_label ON prediction_log.id = known_label.id
WHERE
    prediction_log.model = of_model
    AND prediction_log.created_at < known_at
    AND prediction_log.created_at >= since
$$
