-- The verdicts that hold for the windows that end at a moment, of every kind.
-- params: model text, window_end timestamptz
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
FROM current_verdict
WHERE model = %(model)s::text AND window_end = %(window_end)s::timestamptz
ORDER BY kind, check_name, subject
