-- Locks the model's watermark until commit, so that two roll-ups of a model never overlap.
-- params: model text
-- returns: counted text (the pg_snapshot whose rows are counted), counted_by bigint (the system identifier of the
--   server that took it, NULL where it is not known)
INSERT INTO rollup_watermark AS watermark (model)
VALUES (%(model)s::text)
ON CONFLICT (model) DO UPDATE SET model = excluded.model
RETURNING watermark.counted::text AS counted, watermark.counted_by
