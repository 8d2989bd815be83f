-- The ledger counts by instance and hour since 0002: nothing reads rows by their sequence number any more, and each
-- row paid for this index.
DROP INDEX prediction_log_instance_id_sequence_idx;
