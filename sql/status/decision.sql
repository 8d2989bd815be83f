-- The newest decision about a retraining of a model.
-- params: model text
-- returns: at timestamptz, action, reason, cause, run_id, asked_by text. No row before the first.
SELECT
    at,
    action,
    reason,
    cause,
    run_id,
    asked_by
FROM decision
WHERE model = %(model)s::text
ORDER BY at DESC, run_id DESC
LIMIT 1
