-- The snapshot of everything that is committed by now.
-- Take it while holding the watermark, so that it sees everything that the last snapshot saw.
-- params: counted text (a pg_snapshot)
-- returns: now text (a pg_snapshot), is_restored boolean (`counted` has transactions that this server has not reached)
SELECT
    pg_current_snapshot()::text AS now,
    pg_snapshot_xmax(%(counted)s::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot()) AS is_restored
