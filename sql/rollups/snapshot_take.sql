-- The snapshot of everything that is committed by now.
-- Take it while holding the watermark, so that it sees everything that the last snapshot saw.
-- params: counted text (a pg_snapshot), counted_by bigint (the system identifier of its server, NULL if not known)
-- returns: now text (a pg_snapshot), is_restored boolean (`counted` is of another server, or has transactions that
--   this server has not reached)
SELECT
    pg_current_snapshot()::text AS now,
    coalesce(%(counted_by)s::bigint <> server.system_identifier, false)
    OR pg_snapshot_xmax(%(counted)s::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot()) AS is_restored
FROM pg_control_system() AS server
