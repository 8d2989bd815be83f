-- When a version began to serve, as known at a moment. A calibration released later does not make it younger.
-- params: model text, version integer, at timestamptz
-- returns: promoted_at timestamptz
SELECT min(promoted_at) AS promoted_at
FROM release
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND promoted_at <= %(at)s::timestamptz
