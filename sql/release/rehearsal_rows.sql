-- The newest logged rows of a model, each with its newest label and what the champion predicted for it, if known.
-- params: model text, champion integer (its version, or NULL), newest integer (how many rows)
-- returns: id text, created_at timestamptz, input jsonb, label jsonb, champion_prediction jsonb
SELECT
    id,
    created_at,
    input,
    label,
    CASE WHEN version = %(champion)s::integer THEN prediction END AS champion_prediction
FROM labelled_prediction
WHERE model = %(model)s::text
ORDER BY created_at DESC, id ASC
LIMIT %(newest)s::integer
