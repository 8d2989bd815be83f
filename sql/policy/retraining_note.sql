-- Notes why a running retraining is failing. The first note stays.
-- params: run_id text, reason text
-- returns: nothing
UPDATE retraining
SET reason = %(reason)s::text
WHERE run_id = %(run_id)s::text AND finished_at IS NULL AND reason IS NULL
