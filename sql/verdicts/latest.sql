-- The verdicts of the newest run of each check on a version: of those whose windows end last, the last one.
-- A subject that this run does not know, such as a check that was broken before, is not among them.
-- params: model text, version integer, kinds text[], at timestamptz (later windows do not count)
-- returns: the fields of CheckResult
WITH known AS (
    SELECT
        kind,
        check_name,
        subject,
        version,
        value,
        standard_error,
        sample_size,
        limit_value,
        verdict,
        window_start,
        window_end,
        p_value,
        reason,
        first_value(window_end) OVER newest AS newest_end,
        run_id,
        first_value(run_id) OVER newest AS newest_run_id
    FROM check_result
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND kind = any(%(kinds)s::text[])
        AND window_end <= %(at)s::timestamptz
        AND window_end > %(at)s::timestamptz - interval '31 days' -- a month-old verdict says nothing
    WINDOW newest AS (PARTITION BY kind, check_name ORDER BY window_end DESC, result_id DESC)
)

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
FROM known
WHERE window_end = newest_end AND run_id = newest_run_id
ORDER BY kind, check_name, subject
