-- Notes that a revision's calibration was withdrawn.
-- params: model text, revision text, at timestamptz
-- returns: nothing
UPDATE calibration
SET withdrawn_at = %(at)s::timestamptz
WHERE model = %(model)s::text AND revision = %(revision)s::text
