-- Whether the snapshot `now` sees a row that the snapshot `since` does not. `stored_in` is the transaction that stored
-- it. An index on stored_in can use the first two lines. The others ask a snapshot only where they must.
CREATE OR REPLACE FUNCTION became_visible(stored_in xid8, since pg_snapshot, now pg_snapshot) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT
    stored_in >= pg_snapshot_xmin(since)
    AND stored_in < pg_snapshot_xmax(now)
    AND (stored_in >= pg_snapshot_xmax(since) OR NOT pg_visible_in_snapshot(stored_in, since))
    AND (stored_in < pg_snapshot_xmin(now) OR pg_visible_in_snapshot(stored_in, now))
$$
