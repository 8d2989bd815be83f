-- What a version answered in a stretch of event time.
-- params: model text, version integer, since timestamptz, until timestamptz
-- returns: id text, prediction jsonb
SELECT
    id,
    prediction
FROM prediction_log
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND created_at >= %(since)s::timestamptz
    AND created_at < %(until)s::timestamptz
