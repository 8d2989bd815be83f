-- The newest verdicts of each kind for a version: those whose window ends last, each subject's
-- last one. A subject that the newest run does not know is not among them.
-- params: model text, version integer, kinds text[], at timestamptz (later windows do not count)
-- returns: the fields of CheckResult
WITH known AS (
    SELECT
        result_id,
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
        max(window_end) OVER (PARTITION BY kind) AS newest_end
    FROM check_result
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND kind = any(%(kinds)s::text[])
        AND window_end <= %(at)s::timestamptz
        AND window_end > %(at)s::timestamptz - interval '31 days' -- a month-old verdict says nothing
)

SELECT DISTINCT ON (kind, check_name, subject)
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
FROM known
WHERE window_end = newest_end
ORDER BY kind ASC, check_name ASC, subject ASC, result_id DESC
