-- Gives rows of another server to the present transaction, after a restore from a dump.
-- Restored rows carry transaction ids of the server that they came from. To a roll-up, those that this server has not
-- reached yet would not be visible. Without a restore there are none.
-- params: model text
-- returns: nothing
WITH logged AS (
    UPDATE prediction_log
    SET stored_in = pg_current_xact_id()
    WHERE model = %(model)s::text AND stored_in >= pg_snapshot_xmax(pg_current_snapshot())
),

labelled AS (
    UPDATE label
    SET stored_in = pg_current_xact_id()
    WHERE model = %(model)s::text AND stored_in >= pg_snapshot_xmax(pg_current_snapshot())
)

UPDATE request_stat
SET stored_in = pg_current_xact_id()
WHERE model = %(model)s::text AND stored_in >= pg_snapshot_xmax(pg_current_snapshot())
