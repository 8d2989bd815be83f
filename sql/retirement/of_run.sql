-- The retirement of a model that ended a retraining.
-- params: model, run_id text
-- returns: asked_by text, because text. No row when none did.
SELECT
    asked_by,
    because
FROM retirement
WHERE model = %(model)s::text AND %(run_id)s::text = any(ended_runs)
ORDER BY retirement_id
LIMIT 1
