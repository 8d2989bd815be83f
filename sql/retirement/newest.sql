-- The newest retirement of a model, as known at a moment.
-- params: model text, at timestamptz
-- returns: at timestamptz, asked_by text, because text. No row when nobody has retired it.
SELECT
    at,
    asked_by,
    because
FROM retirement
WHERE model = %(model)s::text AND at <= %(at)s::timestamptz
ORDER BY at DESC, retirement_id DESC
LIMIT 1
