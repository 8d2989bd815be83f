-- The evaluations of a window in which its verdict or its numbers changed, numbered from 1, which is the first one.
CREATE OR REPLACE VIEW verdict_history AS
SELECT
    *,
    row_number() OVER window_evaluations AS revision
FROM (
    SELECT
        *,
        lag((version, value, sample_size, verdict)) OVER (
            PARTITION BY model, kind, check_name, subject, window_end, window_start
            ORDER BY result_id
        ) IS NOT DISTINCT FROM (version, value, sample_size, verdict) AS is_repeated
    FROM check_result
) AS evaluation
WHERE NOT is_repeated
WINDOW window_evaluations AS (
    PARTITION BY model, kind, check_name, subject, window_end, window_start
    ORDER BY result_id
)
