-- The verdicts that hold: of every version, window, check and subject the newest evaluation. check_result has
-- all of them.
CREATE OR REPLACE VIEW current_verdict AS
SELECT
    result_id,
    run_id,
    model,
    version,
    kind,
    check_name,
    subject,
    value,
    standard_error,
    sample_size,
    limit_value,
    p_value,
    verdict,
    reason,
    window_start,
    window_end,
    evaluated_at
FROM newest_verdict
