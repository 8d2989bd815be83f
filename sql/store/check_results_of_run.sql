-- The verdicts that a run recorded for one kind of checks.
-- params: run_id text, model text, kind text
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
    window_end
FROM check_result
WHERE model = %(model)s::text AND run_id = %(run_id)s::text AND kind = %(kind)s::text
ORDER BY check_name, subject
