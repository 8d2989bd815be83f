-- After a restore from a dump, rows carry transactions of the server they came from: gives those that this one
-- has not reached yet to the present transaction. Elsewhere there are none.
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
