-- Empties hours of the feature roll-up before they are counted again.
-- params: model text, hours timestamptz[]
-- returns: nothing
DELETE FROM feature_rollup
WHERE model = %(model)s::text AND bucket_start = any(%(hours)s::timestamptz[])
