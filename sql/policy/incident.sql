-- An incident by its number, or the open incident of a model.
-- params: incident_id bigint, or NULL with model text
-- returns: incident_id, model, opened_at, closed_at, outcome, reason. No row when there is none.
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
