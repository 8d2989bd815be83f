-- The calibration that a revision answers with.
-- params: model text, revision text
-- returns: method (NULL for raw predictions), parameters, replaced, asked_by (who withdrew the one before or had it
--   deployed again, NULL when it was fitted). No row when the revision has no calibration.
SELECT
    method,
    parameters,
    replaced,
    asked_by
FROM calibration
WHERE model = %(model)s::text AND revision = %(revision)s::text
