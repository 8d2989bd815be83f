-- The newest retrainings of a model that had ended by a moment.
-- params: model text, before timestamptz
-- returns: ended_at timestamptz, outcome text, cost double precision; the oldest first, at most fifty
SELECT
    ended_at,
    outcome,
    cost
FROM (
    SELECT
        run_id,
        finished_at AS ended_at,
        outcome,
        cost
    FROM retraining
    WHERE model = %(model)s::text AND finished_at <= %(before)s::timestamptz
    ORDER BY finished_at DESC, run_id DESC
    LIMIT 50
) AS newest
ORDER BY ended_at, run_id
