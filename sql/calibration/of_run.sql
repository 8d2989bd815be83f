-- The number of the calibration that a run recorded.
-- params: model text, run_id text
-- returns: calibration_id bigint. No row when it recorded none.
SELECT calibration_id
FROM calibration
WHERE model = %(model)s::text AND run_id = %(run_id)s::text
