-- What is committed by now. To be asked once the watermark is held: then it sees all that the last one saw.
-- params: counted text (a pg_snapshot)
-- returns: now text (a pg_snapshot), is_restored boolean (`counted` knows transactions that are yet to come here)
SELECT
    pg_current_snapshot()::text AS now,
    pg_snapshot_xmax(%(counted)s::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot()) AS is_restored
