-- Records how a retraining ended; the first outcome stays.
-- params: run_id text, at timestamptz, outcome text, reason text, version integer or NULL
-- returns: run_id, is_first (false: it had ended before); no row when the run was never started
WITH finished AS (
    UPDATE retraining
    SET
        finished_at = %(at)s::timestamptz,
        outcome = %(outcome)s::text,
        reason = %(reason)s::text,
        version = %(version)s::integer
    WHERE run_id = %(run_id)s::text AND finished_at IS NULL
    RETURNING run_id
)

SELECT
    retraining.run_id,
    finished.run_id IS NOT NULL AS is_first
FROM retraining
LEFT JOIN finished ON retraining.run_id = finished.run_id
WHERE retraining.run_id = %(run_id)s::text
