-- Notes why a running retraining is failing. The first note stays.
-- params: model, run_id, reason text
-- returns: nothing
UPDATE retraining
SET reason = %(reason)s::text
WHERE model = %(model)s::text AND run_id = %(run_id)s::text AND finished_at IS NULL AND reason IS NULL
