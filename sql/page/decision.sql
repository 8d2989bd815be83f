-- The newest decision on a model, the monitor's or the answer to a request.
-- params: model text
-- returns: at timestamptz; action, reason text; cause, asked_by, because text or NULL; incident_id bigint or NULL
SELECT
    at,
    action,
    reason,
    cause,
    asked_by,
    because,
    incident_id
FROM decision
WHERE model = %(model)s::text
ORDER BY at DESC, asked_by IS NOT NULL
LIMIT 1
