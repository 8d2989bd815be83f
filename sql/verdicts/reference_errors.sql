-- What a version was accepted with: every metric on the rows that were kept from its training.
-- params: model text, version integer
-- returns: metric text, value double precision
SELECT
    metric,
    value
FROM reference_error
WHERE model = %(model)s::text AND version = %(version)s::integer
