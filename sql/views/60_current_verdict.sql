-- The verdicts that hold: of every version, window, check and subject the newest evaluation. check_result has
-- all of them.
CREATE OR REPLACE VIEW current_verdict AS
SELECT DISTINCT ON (model, kind, check_name, subject, window_end, window_start, version)
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
FROM check_result
ORDER BY
    model ASC,
    kind ASC,
    check_name ASC,
    subject ASC,
    window_end ASC,
    window_start ASC,
    version ASC,
    result_id DESC
