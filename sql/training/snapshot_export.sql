-- Export what this transaction sees as a snapshot. Another transaction can take it as long as this one lasts.
-- params: none
-- returns: snapshot text
SELECT pg_export_snapshot() AS snapshot
