-- Lets another connection see what this transaction sees, while it lasts.
-- params: none
-- returns: snapshot text
SELECT pg_export_snapshot() AS snapshot
