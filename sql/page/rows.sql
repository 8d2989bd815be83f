-- The newest rows of a version within a window: which they are, and none of their values.
-- params: model text, version integer, since timestamptz, until timestamptz (the end of the window), newest integer
-- returns: id, revision text; created_at timestamptz; the newest first
SELECT
    id,
    revision,
    created_at
FROM prediction_log
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND created_at >= %(since)s::timestamptz
    AND created_at < %(until)s::timestamptz
ORDER BY created_at DESC, id ASC
LIMIT %(newest)s::integer
