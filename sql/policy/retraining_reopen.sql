-- Takes back the end of a retraining that goes on, because its Airflow run was cleared.
-- A candidate of it that was rolled back keeps its row and its steps under another name. So the run may deploy another.
-- params: model, run_id text
-- returns: nothing
WITH again AS (
    UPDATE retraining
    SET
        finished_at = NULL,
        outcome = NULL,
        reason = NULL
    WHERE model = %(model)s::text AND run_id = %(run_id)s::text AND finished_at IS NOT NULL
    RETURNING model, run_id
)

UPDATE release
SET run_id = release.run_id || '__ended_' || release.release_id
FROM again
WHERE
    release.model = again.model
    AND release.run_id = again.run_id
    AND release.state = 'rolled_back'
    AND release.promoted_at IS NULL
