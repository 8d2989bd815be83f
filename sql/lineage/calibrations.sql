-- The calibrations that revisions of a version answered with, the oldest first.
-- params: model text, version integer
-- returns: calibration_id, revision, method, parameters, row_count, error_without, error_with, reason, run_id,
--   fitted_at, served_at, withdrawn_at
SELECT
    calibration_id,
    revision,
    method,
    parameters,
    row_count,
    error_without,
    error_with,
    reason,
    run_id,
    fitted_at,
    served_at,
    withdrawn_at
FROM calibration
WHERE model = %(model)s::text AND version = %(version)s::integer AND served_at IS NOT NULL
ORDER BY calibration_id
