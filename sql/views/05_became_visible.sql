-- Whether a row, stored by the transaction `stored_in`, is news between two snapshots: seen by `now`, not by
-- `since`. The first two lines are what an index on stored_in can use.
CREATE OR REPLACE FUNCTION became_visible(stored_in xid8, since pg_snapshot, now pg_snapshot) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT
    stored_in >= pg_snapshot_xmin(since)
    AND stored_in < pg_snapshot_xmax(now)
    AND NOT pg_visible_in_snapshot(stored_in, since)
    AND pg_visible_in_snapshot(stored_in, now)
$$
