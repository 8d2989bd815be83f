-- The verdicts of the newest run of each check on a version. Of windows that end last, the last recorded counts.
-- A subject that this run has no verdict on is left out, such as the subject of a check that was broken before.
-- params: model text, version integer, kinds text[], at timestamptz (later windows do not count)
-- returns: the fields of CheckResult
WITH newest AS (
    SELECT DISTINCT ON (kind, check_name)
        kind,
        check_name,
        window_end,
        run_id
    FROM check_result
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND kind = any(%(kinds)s::text[])
        AND window_end <= %(at)s::timestamptz
        AND window_end > %(at)s::timestamptz - interval '31 days' -- an older verdict tells nothing of now
    ORDER BY kind ASC, check_name ASC, window_end DESC, result_id DESC
)

SELECT
    result.kind,
    result.check_name,
    result.subject,
    result.version,
    result.value,
    result.standard_error,
    result.sample_size,
    result.limit_value AS "limit",
    result.verdict,
    result.window_start,
    result.window_end,
    result.p_value,
    result.reason
FROM newest
INNER JOIN check_result AS result
    ON
        newest.kind = result.kind
        AND newest.check_name = result.check_name
        AND newest.window_end = result.window_end
        AND newest.run_id = result.run_id
WHERE result.model = %(model)s::text AND result.version = %(version)s::integer
ORDER BY result.kind, result.check_name, result.subject
