-- The calibration that a revision answers with.
-- params: model text, revision text
-- returns: method (NULL: raw), parameters, replaced, asked_by (who withdrew the one before; NULL: it was fitted);
--   no row when the revision is no calibration's
SELECT
    method,
    parameters,
    replaced,
    asked_by
FROM calibration
WHERE model = %(model)s::text AND revision = %(revision)s::text
