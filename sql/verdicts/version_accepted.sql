-- What a version was accepted with.
-- params: model text, version integer
-- returns: version integer, metric text, accepted_error double precision; no row without a profile
SELECT
    version,
    metric,
    accepted_error
FROM reference_profile
WHERE model = %(model)s::text AND version = %(version)s::integer
