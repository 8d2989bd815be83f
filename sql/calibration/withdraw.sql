-- Records that the calibration of a revision was withdrawn, and why.
-- params: model, revision, because text; at timestamptz
-- returns: nothing
UPDATE calibration
SET withdrawn_at = %(at)s::timestamptz, withdrawn_because = %(because)s::text
WHERE model = %(model)s::text AND revision = %(revision)s::text
