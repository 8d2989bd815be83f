-- The present time of a replay: the newest event time that the world it plays has reached.
-- A row of somebody who asks the service meanwhile has its own time, about when it was stored. It is left out.
-- params: model text
-- returns: newest timestamptz, NULL when nothing was replayed
SELECT (
    SELECT created_at
    FROM prediction_log
    WHERE model = %(model)s::text AND created_at < stored_at - interval '1 hour'
    ORDER BY created_at DESC
    LIMIT 1
) AS newest
