-- The model's open incident that no retraining has begun to answer.
-- params: model text
-- returns: incident_id bigint; no row when there is none
SELECT incident.incident_id
FROM incident
LEFT JOIN retraining ON incident.incident_id = retraining.incident_id
WHERE incident.model = %(model)s::text AND incident.closed_at IS NULL AND retraining.run_id IS NULL
