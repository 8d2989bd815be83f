-- The seed contract: prediction(id, input, prediction, model_id, label, created_at).
CREATE OR REPLACE VIEW prediction AS
SELECT
    id,
    input,
    prediction,
    model || ':' || coalesce(version::text, 'history') AS model_id,
    label,
    created_at
FROM labelled_prediction
