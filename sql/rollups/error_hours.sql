-- The hours to score again: those of all labels of a prediction that came in or got a label, because a label
-- that is no longer the newest leaves its hour.
-- params: model text, since timestamptz (insert time)
-- returns: bucket_start timestamptz
WITH changed AS (
    SELECT id
    FROM label
    WHERE model = %(model)s::text AND received_at >= %(since)s::timestamptz
    UNION DISTINCT
    SELECT id
    FROM prediction_log
    WHERE model = %(model)s::text AND version IS NOT NULL AND stored_at >= %(since)s::timestamptz
)

SELECT DISTINCT date_trunc('hour', label.observed_at, 'UTC') AS bucket_start
FROM changed
INNER JOIN label ON label.model = %(model)s::text AND changed.id = label.id
