-- Copies of the model `churn` under other names, with what the page reads of them.
-- params: copies integer
CREATE TEMPORARY TABLE copy ON COMMIT DROP AS
SELECT 'copy_' || lpad(number::text, 3, '0') AS model FROM generate_series(1, %(copies)s::integer) AS number;
INSERT INTO monitored_model
SELECT copy.model, task, metric, label_delay, label_load, silent_days, error_limit, error_window_days,
    error_minimum_days, error_minimum_rows, completeness_floor, budget_per_week, longest_gap, monitored_at
FROM monitored_model CROSS JOIN copy WHERE monitored_model.model = 'churn';
INSERT INTO reference_profile
SELECT copy.model, version, mlflow_run_id, metric, accepted_error, sample_size, created_at
FROM reference_profile CROSS JOIN copy WHERE reference_profile.model = 'churn';
INSERT INTO release (model, version, revision, image, image_digest, run_id, state, traffic_percent, created_at,
    promoted_at)
SELECT copy.model, version, copy.model || '-v1', image, image_digest, run_id, state, traffic_percent, created_at,
    promoted_at
FROM release CROSS JOIN copy WHERE release.model = 'churn';
INSERT INTO release_record (model, release_id, generation)
SELECT release.model, release_id, 1 FROM release INNER JOIN copy ON release.model = copy.model;
INSERT INTO row_rollup SELECT copy.model, version, bucket_start, count, sample_level
FROM row_rollup CROSS JOIN copy WHERE row_rollup.model = 'churn';
INSERT INTO error_rollup (model, version, bucket_start, known_day, count, sum_label, sum_prediction, sum_log_loss,
    sum_squared_log_loss)
SELECT copy.model, version, bucket_start, known_day, count, sum_label, sum_prediction, sum_log_loss,
    sum_squared_log_loss
FROM error_rollup CROSS JOIN copy WHERE error_rollup.model = 'churn';
INSERT INTO error_age_rollup (label_age_hours, model, version, bucket_start, count)
SELECT label_age_hours, copy.model, version, bucket_start, count
FROM error_age_rollup CROSS JOIN copy WHERE error_age_rollup.model = 'churn';
INSERT INTO instance_ledger (instance_id, model, version, revision, started_at, last_seen_at, handed_over, dropped,
    repeated, is_stopped)
SELECT copy.model || instance_id, copy.model, version, revision, started_at, last_seen_at, handed_over, dropped,
    repeated, is_stopped
FROM instance_ledger CROSS JOIN copy WHERE instance_ledger.model = 'churn';
INSERT INTO log_window (instance_id, window_start, stored, repeated, set_aside, dropped, pending)
SELECT copy.model || ledger.instance_id, window_start, stored, log_window.repeated, log_window.set_aside,
    log_window.dropped, pending
FROM instance_ledger AS ledger
INNER JOIN log_window ON ledger.instance_id = log_window.instance_id
CROSS JOIN copy WHERE ledger.model = 'churn';
INSERT INTO check_result (run_id, model, version, kind, check_name, subject, value, standard_error, sample_size,
    limit_value, p_value, verdict, reason, window_start, window_end)
SELECT run_id, copy.model, version, kind, check_name, subject, value, standard_error, sample_size, limit_value,
    p_value, verdict, reason, window_start, window_end
FROM check_result CROSS JOIN copy WHERE check_result.model = 'churn';
INSERT INTO decision (model, run_id, at, version, action, reason)
SELECT copy.model, 'scheduled__' || hour, now() - hour * interval '1 hour', 1, 'wait',
    'no retraining: a typical day''s log_loss 0.52 over 7 days is 0.8 x the accepted 0.65'
FROM copy CROSS JOIN generate_series(1, 200) AS hour
