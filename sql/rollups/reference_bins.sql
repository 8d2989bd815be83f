-- The bins of a version's reference profile. Bins of numbers begin with the lowest.
-- params: model text, version integer
-- returns: feature text, bin integer, lower_bound double precision, category text
SELECT
    feature,
    bin,
    lower_bound,
    category
FROM reference_bin
WHERE model = %(model)s::text AND version = %(version)s::integer
ORDER BY feature, lower_bound NULLS FIRST, bin
