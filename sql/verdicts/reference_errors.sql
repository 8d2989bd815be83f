-- The accepted errors of a version, by every metric that was measured at its training.
-- params: model text, version integer
-- returns: metric text, value double precision (in the metric's unit)
SELECT
    metric,
    value
FROM reference_error
WHERE model = %(model)s::text AND version = %(version)s::integer
