-- An id belongs to one row. The same row again is a repeat, another one a conflict;
-- see docs/decisions/0012-an-id-belongs-to-one-row.md.
ALTER TABLE prediction_id ADD COLUMN row_hash bigint; -- of its input; NULL: stored before it was kept, see the log

ALTER TABLE instance_ledger ADD COLUMN conflicting bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN instance_ledger.conflicting IS 'rows that are not in the log because their id is that of another row';
ALTER TABLE log_window ADD COLUMN conflicting bigint NOT NULL DEFAULT 0;

-- Made again, with more columns.
DROP VIEW IF EXISTS log_completeness;
DROP VIEW IF EXISTS log_window_completeness;
