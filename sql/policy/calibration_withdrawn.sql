-- Whether a person withdrew the calibration of a version: it is calibrated no more.
-- params: model text, version integer
-- returns: reason text; no row when nobody did
SELECT reason
FROM calibration
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND asked_by IS NOT NULL
    AND served_at IS NOT NULL
