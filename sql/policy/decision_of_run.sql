-- The decision of a run, or the answer to a request.
-- params: model text, run_id text
-- returns: action, reason, cause text; incident_id bigint or NULL. No row when nothing was decided.
SELECT
    action,
    reason,
    cause,
    incident_id
FROM decision
WHERE model = %(model)s::text AND run_id = %(run_id)s::text
