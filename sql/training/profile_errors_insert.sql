-- Note a version's metrics on the rows that were kept from its training; what is there already stays as it is.
-- params: model text, version integer, errors json text: an object of metric and value
INSERT INTO reference_error (model, version, metric, value)
SELECT
    %(model)s::text AS model,
    %(version)s::integer AS version,
    key AS metric,
    value::double precision AS value
FROM jsonb_each_text(%(errors)s::jsonb)
ON CONFLICT DO NOTHING
