-- Records that everything that a snapshot sees is counted, and which server the snapshot is of.
-- params: model text, now text (a pg_snapshot)
-- returns: nothing
UPDATE rollup_watermark
SET
    counted = %(now)s::pg_snapshot,
    errors_counted = %(now)s::pg_snapshot,
    counted_by = (SELECT server.system_identifier FROM pg_control_system() AS server)
WHERE model = %(model)s::text
