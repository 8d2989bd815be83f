-- Names the revision that will answer with a calibration. Rows of the log are joined to the calibration by that name.
-- params: calibration_id bigint, revision text
-- returns: nothing
UPDATE calibration
SET revision = %(revision)s::text
WHERE calibration_id = %(calibration_id)s::bigint
