-- The newest decision on a model, the monitor's or the answer to a request.
-- params: model text
-- returns: at timestamptz; action, reason, run_id text; cause, asked_by text or NULL. No row before the first.
SELECT
    at,
    action,
    reason,
    cause,
    run_id,
    asked_by
FROM decision
WHERE model = %(model)s::text
ORDER BY at DESC, asked_by IS NOT NULL
LIMIT 1
