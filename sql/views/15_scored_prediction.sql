-- Every served prediction that has a label, with the one that counts and its error: one row a prediction.
CREATE OR REPLACE VIEW scored_prediction AS
SELECT
    prediction_log.model,
    prediction_log.version,
    prediction_log.revision,
    prediction_log.id,
    prediction_log.stored_at,
    label.observed_at,
    bounded_number(prediction_log.prediction) AS prediction,
    bounded_number(label.label) AS label,
    absolute_error(prediction_log.prediction, label.label) AS absolute_error,
    log_loss(prediction_log.prediction, label.label) AS log_loss
FROM label
INNER JOIN prediction_id ON label.model = prediction_id.model AND label.id = prediction_id.id
INNER JOIN prediction_log
    ON
        prediction_id.model = prediction_log.model
        AND prediction_id.id = prediction_log.id
        AND prediction_id.created_at = prediction_log.created_at
WHERE
    prediction_log.version IS NOT NULL
    AND NOT EXISTS (
        SELECT 1
        FROM label AS newer
        WHERE
            newer.model = label.model
            AND newer.id = label.id
            AND newer.arrival > label.arrival
    )
