-- Every label of a prediction. The last one to arrive, which counts, comes first.
-- params: model text, id text
-- returns: label jsonb, observed_at, received_at, known_at timestamptz
SELECT
    label,
    observed_at,
    received_at,
    known_at
FROM label
WHERE model = %(model)s::text AND id = %(id)s::text
ORDER BY arrival DESC
