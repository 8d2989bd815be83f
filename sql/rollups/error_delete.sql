-- Empties hours of the error roll-up before they are summed again.
-- params: model text, hours timestamptz[]
-- returns: nothing
DELETE FROM error_rollup
WHERE model = %(model)s::text AND bucket_start = any(%(hours)s::timestamptz[])
