-- The verdicts that a run recorded for one kind of checks, on the windows that end at a moment.
-- params: run_id text, model text, kind text, window_end timestamptz
-- returns: the fields of CheckResult
SELECT
    kind,
    check_name,
    subject,
    version,
    value,
    standard_error,
    sample_size,
    limit_value AS "limit",
    verdict,
    window_start,
    window_end,
    p_value,
    reason
FROM check_result
WHERE
    model = %(model)s::text
    AND run_id = %(run_id)s::text
    AND kind = %(kind)s::text
    AND window_end = %(window_end)s::timestamptz
ORDER BY check_name, subject
