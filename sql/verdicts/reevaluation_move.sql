-- Records that the verdicts on past windows hold for everything that a snapshot sees.
-- params: model text, counted text (a pg_snapshot)
-- returns: nothing
UPDATE reevaluation_watermark
SET seen = %(counted)s::pg_snapshot
WHERE model = %(model)s::text
