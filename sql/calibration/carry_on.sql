-- Records that a new revision goes on answering as another one does, with its calibration or without any.
-- params: model, run_id, revision (that answered before), reason, asked_by text; version integer; at timestamptz
-- returns: calibration_id bigint, method text (NULL for raw predictions), parameters double precision[]. One row.
WITH asked AS (
    SELECT
        %(model)s::text AS model,
        %(version)s::integer AS version,
        %(revision)s::text AS revision
)

INSERT INTO calibration (
    model,
    version,
    run_id,
    method,
    parameters,
    fitted_at,
    row_count,
    error_without,
    error_with,
    reason,
    asked_by,
    since,
    fingerprint,
    carries_on
)
SELECT
    asked.model,
    asked.version,
    %(run_id)s::text AS run_id,
    calibration.method,
    coalesce(calibration.parameters, '{}') AS parameters,
    coalesce(calibration.fitted_at, %(at)s::timestamptz) AS fitted_at,
    coalesce(calibration.row_count, 0) AS row_count,
    calibration.error_without,
    calibration.error_with,
    %(reason)s::text AS reason,
    %(asked_by)s::text AS asked_by,
    calibration.since,
    calibration.fingerprint,
    asked.revision
FROM asked
LEFT JOIN calibration ON asked.model = calibration.model AND asked.revision = calibration.revision
RETURNING calibration_id, method, parameters
