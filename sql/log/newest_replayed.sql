-- Where the replay of a model's history stands: the event time of its newest row that is stored.
-- Its rows are known by their ids, which begin with `replay-`.
-- params: model text
-- returns: newest timestamptz, NULL when no row of a replay is stored
SELECT (
    SELECT created_at
    FROM prediction_log
    WHERE model = %(model)s::text AND starts_with(id, 'replay-')
    ORDER BY created_at DESC
    LIMIT 1
) AS newest
