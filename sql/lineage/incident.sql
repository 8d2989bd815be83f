-- An incident by its number.
-- params: incident_id bigint
-- returns: incident_id, model, opened_at, closed_at, outcome, reason
SELECT
    incident_id,
    model,
    opened_at,
    closed_at,
    outcome,
    reason
FROM incident
WHERE incident_id = %(incident_id)s::bigint
