-- The newest number that was given to a holder of the lock on a model's releases. No other is given until this
-- transaction ends.
-- params: model text
-- returns: number bigint, one row
SELECT number
FROM release_fence
WHERE model = %(model)s::text
FOR SHARE
