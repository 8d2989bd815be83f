-- The verdict of each check and subject by the day in which its window ended: the worst of the day's, failed before
-- no_data before passed, with the version that it is of.
-- params: model text, since timestamptz, until timestamptz
-- returns: kind, check_name, subject text; day timestamptz; verdict text; window_end timestamptz; version integer
SELECT DISTINCT ON (kind, check_name, subject, day)
    kind,
    check_name,
    subject,
    date_trunc('day', window_end - interval '1 microsecond', 'UTC') AS day,
    verdict,
    window_end,
    version
FROM current_verdict
WHERE
    model = %(model)s::text
    AND window_end > %(since)s::timestamptz
    AND window_end <= %(until)s::timestamptz
ORDER BY
    kind ASC,
    check_name ASC,
    subject ASC,
    day ASC,
    CASE verdict WHEN 'failed' THEN 0 WHEN 'no_data' THEN 1 ELSE 2 END ASC,
    window_end DESC,
    version DESC
