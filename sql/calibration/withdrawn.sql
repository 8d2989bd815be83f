-- Whether a person withdrew a calibration of a version, or rolled one back: it is corrected no more.
-- params: model text, version integer
-- returns: reason text; no row when nobody did
SELECT coalesce(withdrawn_because, reason) AS reason
FROM calibration
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND ((asked_by IS NOT NULL AND served_at IS NOT NULL) OR withdrawn_at IS NOT NULL)
ORDER BY calibration_id DESC
LIMIT 1
