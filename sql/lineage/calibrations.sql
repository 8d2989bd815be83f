-- The calibrations of a version that revisions answer with, the oldest first.
-- One without `served_at` is about to serve.
-- params: model text, version integer
-- returns: calibration_id, revision, method, parameters, row_count, error_without, error_with, reason, run_id,
--   fitted_at, since, fingerprint, served_at, withdrawn_at
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
    since,
    fingerprint,
    served_at,
    withdrawn_at
FROM calibration
WHERE model = %(model)s::text AND version = %(version)s::integer AND revision IS NOT NULL
ORDER BY calibration_id
