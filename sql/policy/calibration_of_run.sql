-- The calibration that a run recorded.
-- params: model text, run_id text
-- returns: calibration_id, version, method, parameters, revision, reason; no row when it recorded none
SELECT
    calibration_id,
    version,
    method,
    parameters,
    revision,
    reason
FROM calibration
WHERE model = %(model)s::text AND run_id = %(run_id)s::text
