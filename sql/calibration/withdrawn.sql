-- The reason why a version is not calibrated any more: a person withdrew one of its calibrations or rolled it back.
-- params: model text, version integer
-- returns: reason text. No row when nobody did.
SELECT coalesce(withdrawn_because, reason) AS reason
FROM calibration
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND ((asked_by IS NOT NULL AND carries_on IS NULL AND served_at IS NOT NULL) OR withdrawn_at IS NOT NULL)
ORDER BY calibration_id DESC
LIMIT 1
