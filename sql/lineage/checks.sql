-- The verdicts of the runs that raised an incident's alarms, on the newest windows of each run. Failed ones come first.
-- params: incident_id bigint
-- returns: run_id, kind, check_name, subject, version, value, sample_size, limit_value, p_value, verdict, reason,
--   window_start, window_end
WITH result AS (
    SELECT
        check_result.run_id,
        check_result.kind,
        check_result.check_name,
        check_result.subject,
        check_result.version,
        check_result.value,
        check_result.sample_size,
        check_result.limit_value,
        check_result.p_value,
        check_result.verdict,
        check_result.reason,
        check_result.window_start,
        check_result.window_end,
        max(check_result.window_end) OVER (PARTITION BY check_result.run_id, check_result.kind) AS newest
    FROM incident
    INNER JOIN check_result ON incident.model = check_result.model
    WHERE
        incident.incident_id = %(incident_id)s::bigint
        AND check_result.run_id IN (
            SELECT incident_alarm.source
            FROM incident_alarm
            WHERE incident_alarm.incident_id = %(incident_id)s::bigint
        )
)

SELECT
    run_id,
    kind,
    check_name,
    subject,
    version,
    value,
    sample_size,
    limit_value,
    p_value,
    verdict,
    reason,
    window_start,
    window_end
FROM result
WHERE window_end = newest
ORDER BY verdict != 'failed', window_end, run_id, kind, check_name, subject
