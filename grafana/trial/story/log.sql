-- The loss ledger, with rows that were dropped, set aside, repeated and that wait.
INSERT INTO instance_ledger (instance_id, model, version, revision, started_at, last_seen_at, handed_over,
    dropped, repeated, is_stopped, set_aside)
SELECT instance_id, model, min(version), min(revision), min(created_at), clock_timestamp(),
    count(*) + 9, 4, 2, max(created_at) < %(until)s - interval '2 days', 1
FROM prediction_log GROUP BY model, instance_id;
INSERT INTO log_window (instance_id, window_start, stored, repeated, set_aside, dropped, pending)
SELECT instance_id, date_trunc('hour', created_at, 'UTC'), count(*), 0, 0, 0, 0
FROM prediction_log GROUP BY 1, 2;
UPDATE log_window SET repeated = 2, dropped = 4, set_aside = 1, pending = 2
WHERE (instance_id, window_start) IN (
    SELECT instance_id, max(window_start) FROM log_window GROUP BY instance_id
);
INSERT INTO set_aside_row (instance_id, sequence, model, version, revision, row_text, reason, set_aside_at)
SELECT instance_id, 1, model, version, revision, '{}', '22P05: unsupported Unicode escape sequence', last_seen_at
FROM instance_ledger
