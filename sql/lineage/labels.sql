-- Every label of a prediction. The newest one, which counts, comes first.
-- params: model text, id text
-- returns: label jsonb, observed_at, received_at timestamptz
SELECT
    label,
    observed_at,
    received_at
FROM label
WHERE model = %(model)s::text AND id = %(id)s::text
ORDER BY observed_at DESC, received_at DESC
