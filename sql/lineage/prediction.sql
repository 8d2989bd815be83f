-- The logged rows with an id, among some models.
-- params: models text[], id text
-- returns: model, id, version (NULL for history), revision, instance_id (NULL for history), input, prediction,
--   latency_ms, created_at, stored_at. One row for each model that has the id.
SELECT
    prediction_log.model,
    prediction_log.id,
    prediction_log.version,
    prediction_log.revision,
    prediction_log.instance_id,
    prediction_log.input,
    prediction_log.prediction,
    prediction_log.latency_ms,
    prediction_log.created_at,
    prediction_log.stored_at
FROM prediction_id
INNER JOIN prediction_log
    ON
        prediction_id.model = prediction_log.model
        AND prediction_id.id = prediction_log.id
        AND prediction_id.created_at = prediction_log.created_at
WHERE prediction_id.model = any(%(models)s::text[]) AND prediction_id.id = %(id)s::text
ORDER BY prediction_log.model
