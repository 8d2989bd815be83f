-- The calibration that a revision answers with.
-- params: model text, revision text
-- returns: calibration_id, method, parameters, replaced; no row when it has none
SELECT
    calibration_id,
    method,
    parameters,
    replaced
FROM calibration
WHERE model = %(model)s::text AND revision = %(revision)s::text
