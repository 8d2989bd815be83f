-- The closed incident that an alarm belongs to.
-- The alarm joined it before, or is about a time when it was open. Whoever has waited for an answer belongs to the
-- incident that was closed meanwhile: its retraining knew what had happened until the question.
-- params: model text, source text, at timestamptz, waited_seconds double precision (since the question, 0 for none)
-- returns: incident_id bigint. No row when the alarm is new.
SELECT incident.incident_id
FROM incident
LEFT JOIN incident_alarm
    ON
        incident.incident_id = incident_alarm.incident_id
        AND incident_alarm.source = %(source)s::text
WHERE
    incident.model = %(model)s::text
    AND incident.closed_at IS NOT NULL
    AND (
        incident_alarm.source IS NOT NULL
        OR (incident.opened_at <= %(at)s::timestamptz AND incident.closed_at > %(at)s::timestamptz)
        OR incident.answered_at
        > clock_timestamp() - make_interval(secs => %(waited_seconds)s::double precision)
    )
ORDER BY incident.incident_id DESC
LIMIT 1
