-- The model's open incident.
-- params: model text
-- returns: incident_id, model, opened_at, closed_at, outcome, reason; no row when none is open
SELECT
    incident_id,
    model,
    opened_at,
    closed_at,
    outcome,
    reason
FROM incident
WHERE model = %(model)s::text AND closed_at IS NULL
