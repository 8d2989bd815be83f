-- The newest event time in a model's prediction log.
-- params: model text
-- returns: newest timestamptz, NULL when nothing was logged
SELECT max(created_at) AS newest
FROM prediction_log
WHERE model = %(model)s::text
