-- How many of the given predictions are stored.
-- params: model text, ids text[]
-- returns: stored bigint
SELECT count(*) AS stored
FROM prediction_id
WHERE model = %(model)s::text AND id = any(%(ids)s::text[])
