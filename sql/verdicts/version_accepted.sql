-- The accepted error of a version.
-- params: model text, version integer
-- returns: version integer, metric text, accepted_error double precision. No row without a reference profile.
SELECT
    version,
    metric,
    accepted_error
FROM reference_profile
WHERE model = %(model)s::text AND version = %(version)s::integer
