-- Locks the model's watermark until commit, so that two roll-ups of a model never overlap.
-- params: model text
-- returns: counted text (the pg_snapshot whose rows are counted), errors_counted text (the same of labels. It is older
--   only where errors have to be counted again.), counted_by bigint (the system identifier of the server that took
--   them, NULL where it is not known)
INSERT INTO rollup_watermark AS watermark (model)
VALUES (%(model)s::text)
ON CONFLICT (model) DO UPDATE SET model = excluded.model
RETURNING
    watermark.counted::text AS counted,
    watermark.errors_counted::text AS errors_counted,
    watermark.counted_by
