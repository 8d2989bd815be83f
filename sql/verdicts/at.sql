-- The verdicts on the windows that end at a moment.
-- With a run they are those that it recorded, without one those that hold now.
-- params: model text, window_end timestamptz, kind text or NULL (every kind), run_id text or NULL
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
    AND window_end = %(window_end)s::timestamptz
    AND (%(kind)s::text IS NULL OR kind = %(kind)s::text)
    AND (
        run_id = %(run_id)s::text
        OR (
            %(run_id)s::text IS NULL
            AND result_id IN (
                SELECT current_verdict.result_id
                FROM current_verdict
                WHERE
                    current_verdict.model = %(model)s::text
                    AND current_verdict.window_end = %(window_end)s::timestamptz
            )
        )
    )
ORDER BY kind, check_name, subject, version
