-- The verdicts that hold for the windows of one kind of checks that end at a moment.
-- params: model text, kind text, window_end timestamptz
-- returns: check_name, subject, window_start, version, value, sample_size, verdict
SELECT
    check_name,
    subject,
    window_start,
    version,
    value,
    sample_size,
    verdict
FROM current_verdict
WHERE
    model = %(model)s::text
    AND kind = %(kind)s::text
    AND window_end = %(window_end)s::timestamptz
