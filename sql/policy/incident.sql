-- An incident by its number, or a model's open one.
-- params: incident_id bigint, or NULL with model text
-- returns: incident_id, model, opened_at, closed_at, outcome, reason
SELECT
    incident_id,
    model,
    opened_at,
    closed_at,
    outcome,
    reason
FROM incident
WHERE
    incident_id = %(incident_id)s::bigint
    OR (%(incident_id)s::bigint IS NULL AND model = %(model)s::text AND closed_at IS NULL)
