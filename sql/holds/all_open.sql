-- The open holds of a model.
-- params: model text
-- returns: hold_id bigint; cause, reason text; opened_at timestamptz; told_at timestamptz or NULL. The oldest first.
SELECT
    hold_id,
    cause,
    opened_at,
    reason,
    told_at
FROM hold
WHERE model = %(model)s::text AND closed_at IS NULL
ORDER BY hold_id
