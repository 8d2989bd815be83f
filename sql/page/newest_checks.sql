-- How the newest verdicts on the version that serves stand, by kind of check.
-- params: model text
-- returns: kind text; passed, failed, no_data bigint; window_end timestamptz
SELECT
    kind,
    count(*) FILTER (WHERE verdict = 'passed') AS passed,
    count(*) FILTER (WHERE verdict = 'failed') AS failed,
    count(*) FILTER (WHERE verdict = 'no_data') AS no_data,
    max(window_end) AS window_end
FROM newest_check
WHERE model = %(model)s::text
GROUP BY kind
ORDER BY kind
