-- The incident that a run is named after, if it is open or was answered by that run.
-- params: model text, incident_id bigint, run_id text
-- returns: incident_id bigint. No row when there is none.
SELECT incident.incident_id
FROM incident
LEFT JOIN retraining ON incident.incident_id = retraining.incident_id
WHERE
    incident.model = %(model)s::text
    AND incident.incident_id = %(incident_id)s::bigint
    AND (incident.closed_at IS NULL OR retraining.run_id = %(run_id)s::text)
