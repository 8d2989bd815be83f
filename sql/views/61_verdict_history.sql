-- The evaluations of a version's window in which its verdict or its numbers changed, numbered from 1, which
-- is the first one.
CREATE OR REPLACE VIEW verdict_history AS
WITH evaluation AS (
    SELECT
        *,
        lag(value) OVER earlier AS last_value,
        lag(sample_size) OVER earlier AS last_sample_size,
        lag(verdict) OVER earlier AS last_verdict
    FROM check_result
    WINDOW earlier AS (
        PARTITION BY model, kind, check_name, subject, window_end, window_start, version
        ORDER BY result_id
    )
)

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
    evaluated_at,
    row_number() OVER (
        PARTITION BY model, kind, check_name, subject, window_end, window_start, version
        ORDER BY result_id
    ) AS revision
FROM evaluation
WHERE
    verdict IS DISTINCT FROM last_verdict
    OR value IS DISTINCT FROM last_value
    OR sample_size IS DISTINCT FROM last_sample_size
