-- The verdicts of the newest run of each check on the version that serves: how many of each, and which failed.
-- params: model text
-- returns: passed, failed, no_data bigint; failed_checks text[], each as `check` or `check of feature`. One row.
SELECT
    count(*) FILTER (WHERE verdict = 'passed') AS passed,
    count(*) FILTER (WHERE verdict = 'failed') AS failed,
    count(*) FILTER (WHERE verdict = 'no_data') AS no_data,
    coalesce(
        array_agg(concat_ws(' of ', check_name, nullif(subject, 'all')) ORDER BY check_name, subject)
        FILTER (WHERE verdict = 'failed'),
        '{}'
    ) AS failed_checks
FROM newest_check
WHERE model = %(model)s::text
