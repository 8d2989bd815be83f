-- Why rows of a model were set aside.
-- params: model text
-- returns: reason text (a code of Postgres), revision text, rows bigint, newest_at timestamptz
SELECT
    reason,
    revision,
    rows,
    newest_at
FROM set_aside_reason
WHERE model = %(model)s::text
ORDER BY newest_at DESC, revision ASC
