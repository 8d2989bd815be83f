-- Every prediction with the label that counts, the last one to arrive: one row a prediction, label NULL while unknown.
CREATE OR REPLACE VIEW labelled_prediction AS
SELECT
    prediction_log.model,
    prediction_log.version,
    prediction_log.revision,
    prediction_log.id,
    prediction_log.input,
    prediction_log.prediction,
    newest_label.label,
    prediction_log.created_at,
    newest_label.observed_at
FROM prediction_log
LEFT JOIN LATERAL (
    SELECT
        label.label,
        label.observed_at
    FROM label
    WHERE label.model = prediction_log.model AND label.id = prediction_log.id
    ORDER BY label.arrival DESC
    LIMIT 1
) AS newest_label ON true
