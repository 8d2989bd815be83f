-- The newest search for a calibration of a version. It is of the day itself, or had labelled rows to try one on.
-- params: model text, version integer, day timestamptz
-- returns: calibration_id, fitted_at, method, parameters, served_at, reason. No row when nobody has searched.
SELECT
    calibration_id,
    fitted_at,
    method,
    parameters,
    served_at,
    reason
FROM calibration
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND asked_by IS NULL
    AND (fitted_at = %(day)s::timestamptz OR (row_count > 0 AND error_without IS NOT NULL))
ORDER BY fitted_at DESC, calibration_id DESC
LIMIT 1
