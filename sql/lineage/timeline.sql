-- What happened to a model, the oldest first.
-- params: model text
-- returns: at timestamptz, event text, subject bigint, detail text
SELECT
    at,
    event,
    subject,
    detail
FROM timeline
WHERE model = %(model)s::text
ORDER BY at, rank, subject
