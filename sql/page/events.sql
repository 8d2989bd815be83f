-- What happened to a model within a period, the newest first.
-- params: model text, since timestamptz, until timestamptz, newest integer
-- returns: at timestamptz; event text; subject bigint or NULL; detail text or NULL
SELECT
    at,
    event,
    subject,
    detail
FROM timeline
WHERE model = %(model)s::text AND at >= %(since)s::timestamptz AND at < %(until)s::timestamptz
ORDER BY at DESC, rank DESC, subject DESC
LIMIT %(newest)s::integer
