-- The hours of a version whose features are counted on a sample.
-- params: model text, version integer
-- returns: bucket_start timestamptz
SELECT bucket_start
FROM row_rollup
WHERE model = %(model)s::text AND version = %(version)s::integer AND sample_level > 0
