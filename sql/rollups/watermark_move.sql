-- Records that everything that a snapshot sees is counted.
-- params: model text, now text (a pg_snapshot)
-- returns: nothing
UPDATE rollup_watermark
SET
    counted = %(now)s::pg_snapshot,
    errors_counted = %(now)s::pg_snapshot
WHERE model = %(model)s::text
