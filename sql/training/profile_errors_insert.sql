-- Note a version's metrics, as its siblings had them on days that they were not trained on. Metrics that are there
-- already stay as they are.
-- params: model text, version integer, errors json text: an object of metric and value
INSERT INTO reference_error (model, version, metric, value)
SELECT
    %(model)s::text AS model,
    %(version)s::integer AS version,
    key AS metric,
    value::double precision AS value
FROM jsonb_each_text(%(errors)s::jsonb)
ON CONFLICT DO NOTHING
